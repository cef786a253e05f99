"""Who may do what: roles, tokens, and the file that holds their hashes."""
