"""Snapshots, forks and isolation of live machines: files, a shell, a terminal.

Owns: the snapshot store, the backends that run a sandbox over a snapshot, the shell and the terminal inside it. Does
not own: what actions mean or when two are equivalent (the domains and `verifiers/`), or the cache of restored worlds
within a process (`envs.base.states`).
"""
