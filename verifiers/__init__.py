"""Room `verifiers`; see the modules."""
