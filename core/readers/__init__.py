"""Room `core/readers`; see the modules."""
