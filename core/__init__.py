"""Room `core`; see the modules."""
