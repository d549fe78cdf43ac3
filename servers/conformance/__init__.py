"""What a server of any domain must show to whoever trains on it: small checks over HTTP, each with a name."""
