"""Terminal tasks that the project makes itself, by seed: no data from elsewhere, no answers in what a policy sees.

Owns: the families (`families/`), their checks, the judge of a final state, the tasks of the domain by id. Does not own:
how a start is built or a command is run (`envs.terminal`, `envs.sandbox`), or the conformance run over all tasks
(`envs.conformance`).
"""
