"""Sandboxes by overlayfs and bubblewrap: the embedded backend on Linux, as root and as a plain user.

    backend    BubblewrapBackend: `Backend` over a warden and the store
    session    BubblewrapSandbox: `Sandbox` over the warden's requests and a shell
    client     starts the warden, sends it requests
    warden     the helper process in which all sandboxes of a server live
    guardian   the process beside it that keeps the starter's rights
    machine    one sandbox there: overlay, bubblewrap, limits
    watch      ends sandboxes that write too much, where that lies on disk
    arguments  bubblewrap's options
    filters    system calls that sandboxes do without
    hidden     folders of this machine that no sandbox sees
    userns     user namespaces, some ahead of time
    cgroups    control groups
    inside     files of a sandbox, reached from outside
    bases      what a start is made of
    wire       frames between server and warden
    syscalls   Linux calls that the standard library lacks

Nothing is ever mounted outside of the warden's mount namespace, so a server that is killed leaves no mount and no
process; what it had half written into the store is cleaned at the next start.
"""

from pivotgym.envs.sandbox.bubblewrap.backend import BubblewrapBackend

__all__ = ["BubblewrapBackend"]
