"""The terminal domain: a real shell in a sandbox."""
