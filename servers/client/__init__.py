"""Room `servers/client`; see the modules."""
