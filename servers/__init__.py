"""Room `servers`; see the modules."""
