"""HTTP servers for any domain, and the client. `servers.client` imports nothing of this package but itself.

Owns: the wire. Does not own: what a domain does (`envs/`), nor when actions are equivalent (`verifiers/`).
"""
