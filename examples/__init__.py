"""Examples: each can be run as it stands, and is by tests/acceptance/test_examples.py."""
