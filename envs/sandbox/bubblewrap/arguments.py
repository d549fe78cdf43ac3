"""Bubblewrap's options for one sandbox. Owns what a sandbox sees and which rights it has; runs nothing.

Few operations on purpose: each mount that bubblewrap makes costs about half a millisecond. The links `/bin`, `/lib` and
so on, and the folders that are mounted over, are part of the base layer.
"""

from __future__ import annotations

from pathlib import Path

# What Docker leaves to root by default.
CAPABILITIES = (
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
)  # fmt: skip
HOSTNAME = "sandbox"
SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
SHARED_MEMORY_BYTES = 64 << 20


def system_binds() -> list[str]:
    """The folders of this machine's own tools that are mounted, read-only; those that are links are not among them."""
    folders = [Path("/", name) for name in SYSTEM_FOLDERS]
    return ["/usr", *(str(folder) for folder in folders if folder.is_dir() and not folder.is_symlink())]


def options(
    root: str, *, userns: int, info: int, block: int, status: int, seccomp: int, network: bool, terminal: bool
) -> list[str]:
    """Its options.

    Args:
        root: The merged tree, with what is mounted in it.
        userns: Descriptor of the sandbox's user namespace.
        info: Descriptor to which it writes the process id of the sandbox's first process.
        status: Descriptor to which it writes how the command ended.
        block: Descriptor from which it reads before it runs anything.
        seccomp: Descriptor of the filter of system calls; -1 for none.
        network: Whether the host's network is shared.
        terminal: Whether it gets a session of its own for a terminal.
    """
    line = ["--userns", str(userns), "--info-fd", str(info), "--block-fd", str(block)]
    # It closes this one before it runs the command, as it does not the first.
    line += ["--sync-fd", str(userns), "--json-status-fd", str(status)]
    line += [] if seccomp < 0 else ["--seccomp", str(seccomp)]
    line += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", HOSTNAME]
    line += [] if network else ["--unshare-net"]
    line += ["--die-with-parent", *([] if terminal else ["--new-session"]), "--bind", root, "/"]
    line += ["--proc", "/proc", "--dev", "/dev"]
    line += ["--perms", "1777", "--size", str(SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    line += ["--cap-drop", "ALL"]
    for name in CAPABILITIES:
        line += ["--cap-add", f"CAP_{name}"]
    return line


def as_user(uid: int, gid: int) -> list[str]:
    """What stands before a command to run it as a user inside; nothing for root."""
    return [] if uid == gid == 0 else ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--"]
