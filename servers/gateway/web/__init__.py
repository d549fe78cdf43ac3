"""The gateway's web page: domains, sessions, runs and their pivots, each view with a JSON twin (same path + `.json`).

Pages are made by the server; without JavaScript all of it works but curves that draw themselves anew. Everything that
is shown comes from trajectories and policies, so all of it is untrusted text: templates escape it, and the policy of
the page's content allows no script but our own file.

Owns: these views (`views`), what they read (`runs`, `lines`, `logs`), how they look (`templates`, `static`, `charts`),
and who may see them (`door`). Does not own: the runs' files (`trainer`, `core`), or verdicts (the servers').
"""
