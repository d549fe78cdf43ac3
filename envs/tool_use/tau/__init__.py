"""The airline and the retail shop of tau-bench: their databases and the tools that act on them.

Owns: everything that knows these two. Does not own: when two calls are equivalent (`verifiers/`), the user who talks to
the agent (`envs.tool_use.users`).
"""
