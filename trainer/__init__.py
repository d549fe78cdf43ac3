"""Room `trainer`; see the modules."""
