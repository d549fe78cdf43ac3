"""Room `core/formats`; see the modules."""
