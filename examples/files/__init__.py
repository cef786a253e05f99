"""One task for each file of a folder, worked off by two processes; see README.md."""
