"""The terminal: a live shell in a sandbox."""
