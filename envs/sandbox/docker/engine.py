"""The container engine: one client per process, whose errors are ours, and labels that say who owns what.

Owns: reaching the engine, turning its errors into ours, and removing what a killed process left. Does not own: what
containers and images are for (the modules beside this one).

A running sandbox ends with its server by itself: its first process reads a pipe that only the server holds open. What a
killed server can leave are containers that never ran and images of forks; they carry the owner's pid, start time and
boot id, and the next start removes what belongs to a process that is gone.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from pivotgym.core.errors import Full, InputError, MissingDependency, NotFound, TimedOut, WorldFailed
from pivotgym.envs.sandbox.contract import Missing

KIND = "pivotgym.kind"
OWNER = "pivotgym.owner"
HOST = "pivotgym.host"
TEMPORARY = ("fork",)
"""Kinds of images that no stored snapshot names: they go with their owner."""

REQUEST_S = 300.0
"""Seconds that one request to the engine may take; a commit of gigabytes is the slowest."""

_GONE_S = 30
_NO_ROOM = ("no space left on device", "cannot allocate memory", "too many open files", "resource temporarily")


@lru_cache(maxsize=1)
def client() -> Any:
    """The SDK's low-level client, shared by the threads of this process.

    Raises:
        MissingDependency: If the SDK is not installed, or no engine answers.
    """
    lack = missing()
    if lack is not None:
        raise MissingDependency(f"docker backend: {lack.what}", hint=lack.command)
    return _connect(REQUEST_S)


def missing() -> Missing | None:
    """Why no engine can be used here, or `None`."""
    try:
        import docker  # noqa: F401
    except ImportError:
        return Missing("the Python package `docker` is not installed", "pip install 'pivotgym[docker]'")
    try:
        api = _connect(5.0)
        try:
            api.ping()
        finally:
            api.close()
    except Exception as error:
        return Missing(
            f"no container engine answers: {_text(error)}",
            "start one (`systemctl start docker`), or set DOCKER_HOST to where it is",
        )
    return None


def _connect(timeout: float) -> Any:
    import docker

    settings = docker.utils.kwargs_from_env()
    return docker.APIClient(timeout=timeout, max_pool_size=64, version="auto", **settings)


@contextmanager
def calls(what: str) -> Iterator[None]:
    """Turn the engine's errors into ours.

    Raises:
        NotFound: If what was named is not there (404).
        InputError: If the engine refuses the request (400).
        Full: If the machine has no room.
        TimedOut: If nothing was heard of it in time.
        WorldFailed: For any other failure; `details["gone"]` where it is that the container is no more.
    """
    import docker.errors
    import requests
    import urllib3

    try:
        yield
    except docker.errors.NotFound as error:
        if "no such container" in _text(error).lower():
            raise WorldFailed(f"{what}: the container is gone", details={"gone": True}) from error
        raise NotFound(f"{what}: {_text(error)}", hint="build the snapshot again") from error
    except docker.errors.APIError as error:
        text = _text(error)
        if any(sign in text.lower() for sign in _NO_ROOM):
            raise Full(f"{what}: the engine has no room: {text}", retry_after_s=5.0) from error
        if error.status_code == 400:
            raise InputError(f"{what}: the engine refuses: {text}") from error
        raise WorldFailed(f"{what}: the engine failed: {text}") from error
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise TimedOut(f"{what}: the engine gave no sign of life in time") from error
    except (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise WorldFailed(f"{what}: the engine cannot be reached: {_text(error)}") from error


def _text(error: BaseException) -> str:
    explained = getattr(error, "explanation", None) or str(error) or type(error).__name__
    return " ".join(str(explained).split())[:400]


def labels(kind: str) -> dict[str, str]:
    """Labels of a container or image of this process."""
    return {KIND: kind, OWNER: _owner(os.getpid()), HOST: platform.node()}


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _owner(pid: int) -> str:
    """Names a process uniquely on this host: pids are used again, with another start time."""
    try:
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        started = ""
    return f"{pid}:{started}:{_boot_id()}"


def _gone(given: dict[str, str]) -> bool:
    """Whether the owner in these labels was a process of this host that has ended."""
    owner = given.get(OWNER, "")
    pid = owner.partition(":")[0]
    return given.get(HOST) == platform.node() and pid.isdigit() and _owner(int(pid)) != owner


def reap() -> list[str]:
    """Remove containers and temporary images whose owner has ended.

    Returns:
        Ids of what was removed.
    """
    api, removed = client(), []
    with calls("reaping"):
        for found in api.containers(all=True, filters={"label": KIND}):
            if _gone(found["Labels"]) and remove_container(found["Id"]):
                removed.append(found["Id"])
        for kind in TEMPORARY:
            for found in api.images(filters={"label": f"{KIND}={kind}"}, all=True):
                if _gone(found["Labels"] or {}) and remove_image(found["Id"]):
                    removed.append(found["Id"])
    return removed


def remove_container(container: str) -> bool:
    """End and remove a container; `False` where it is gone already."""
    import docker.errors

    try:
        client().remove_container(container, force=True, v=True)
    except docker.errors.APIError as error:
        if error.status_code == 409:  # its removal is in progress
            with suppress(docker.errors.APIError, OSError):
                client().wait(container, timeout=_GONE_S, condition="removed")
            return True
        if error.status_code == 404:
            return False
        raise WorldFailed(f"container {container[:12]}: cannot be removed: {_text(error)}") from error
    return True


def remove_image(image: str) -> bool:
    """Remove an image; `False` where it is gone already or something stands on it."""
    import docker.errors

    with suppress(docker.errors.APIError):
        client().remove_image(image, noprune=True)
        return True
    return False
