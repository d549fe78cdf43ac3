"""Room `envs/base`; see the modules."""
