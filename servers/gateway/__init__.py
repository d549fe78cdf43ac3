"""The gateway: every domain's routes under `/{domain}`, passed on to the servers that do the work.

Owns: whose a call is, spreading calls over replicas, and the health of replicas. Does not own: what a call does: that
is the environment server's, whose answers are passed on as they are.

It keeps nothing that a restart would lose: a session's id tells its replica, and pivots live in the replicas.
"""
