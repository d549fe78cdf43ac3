"""OpenEnv's interface: its clients reset, step and look at our environments over a WebSocket.

`shapes` has what is said in either direction, `connection` one client's conversation, `socket` its route, `routes`
what OpenEnv's validation asks for over HTTP.

Owns: this translation. Does not own: any behaviour; what a reset or a step does stands in `routes_sessions`.
"""
