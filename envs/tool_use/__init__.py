"""Room `envs/tool_use`; see the modules."""
