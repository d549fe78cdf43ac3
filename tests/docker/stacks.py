"""The whole stack on a real engine, built from this checkout: by docker-compose, or by the engine's own `compose`."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pivotgym.servers.client import Client

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("cli", "core", "docker", "envs", "package", "requirements", "servers", "study", "trainer", "verifiers")
FILES = (".dockerignore", "LICENSE", "README.md", "compose.yml", "constraints.txt", "pyproject.toml", "setup.py")
SMALL = (
    "max_prompt_tokens=300", "data.sft_states=8", "data.profile_states=6", "data.eval_pivots=4", "sft.epochs=1",
    "profile.k=4", "profile.max_new_tokens=16", "profile.batch=2", "filter.rule=keep_all", "grpo.steps=2",
    "grpo.pivots_per_step=2", "grpo.group_size=4", "grpo.max_new_tokens=16", "grpo.checkpoint_every=1",
    "evaluate.samples=1", "evaluate.max_new_tokens=16", "evaluate.batch=2",
)  # fmt: skip


def run(*command: str, check: bool = True, **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800, **options)
    assert not check or done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def compose_command() -> list[str]:
    """The engine's own compose, or the older program; the test is skipped where neither can work."""
    if shutil.which("docker") is None or subprocess.run(["docker", "version"], capture_output=True).returncode:
        pytest.skip("no container engine answers; `.ci/docker-engine start` brings one up")
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose") is None:
        pytest.skip("neither `docker compose` nor docker-compose is installed")
    return ["docker-compose"]


def eventually(what: Callable[[], Any], within_s: float = 300) -> Any:
    """What `what` returns once that is true."""
    end = time.monotonic() + within_s
    while not (found := what()):
        assert time.monotonic() < end, f"not within {within_s} s"
        time.sleep(0.5)
    return found


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


class Stack:
    """One project: its own containers, volumes and networks.

    Args:
        folder: Where a copy of the checkout is put, to be built from.
    """

    def __init__(self, folder: Path) -> None:
        self._compose = compose_command()
        self.name = f"pivotgym-test-{os.getpid()}"
        self.port = free_port()
        self._folder = folder
        for part in PARTS:
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        for name in FILES:
            shutil.copy(ROOT / name, folder / name)
        self._wheels()
        settings = " ".join(f"--set {setting}" for setting in SMALL)
        self._environment = {**os.environ, "PIVOTGYM_PORT": str(self.port), "PIVOTGYM_DEMO": settings}

    def _wheels(self) -> None:
        """A CPU build of torch, where pip finds one here: some machines cannot reach PyTorch's own index."""
        named = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
        command = ["pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", "wheels", f"{named}+cpu"]
        subprocess.run([sys.executable, "-m", *command], cwd=self._folder, capture_output=True, check=False)

    def do(self, *arguments: str, check: bool = True) -> str:
        """Run compose, and return what it printed."""
        command = [*self._compose, "-p", self.name, *arguments]
        return run(*command, check=check, cwd=self._folder, env=self._environment)

    def containers(self, service: str | None = None) -> list[str]:
        """Ids of the project's containers, also of those that have ended."""
        filters = ["--filter", f"label=com.docker.compose.project={self.name}"]
        if service is not None:
            filters += ["--filter", f"label=com.docker.compose.service={service}"]
        return run("docker", "ps", "-aq", "--no-trunc", *filters).split()

    def facts(self, container: str) -> dict[str, Any]:
        """What the engine says of a container."""
        found: dict[str, Any] = json.loads(run("docker", "inspect", container))[0]
        return found

    def log(self, container: str) -> str:
        """All that a container has logged."""
        command = ["docker", "logs", container]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout

    def healthy(self, service: str) -> bool:
        """Whether all containers of a service are."""
        states = [self.facts(container)["State"] for container in self.containers(service)]
        return bool(states) and all(state.get("Health", {}).get("Status") == "healthy" for state in states)

    def crash(self, container: str) -> None:
        """Kill what runs in a container, so that it is not stopped but broken."""
        run("docker", "exec", container, "sh", "-c", "kill -9 -1", check=False)

    def in_(self, service: str, *command: str) -> str:
        """What a command in a running container prints."""
        return run("docker", "exec", self.containers(service)[0], *command)

    def left(self) -> str:
        """All that the engine has of the project."""
        label = f"label=com.docker.compose.project={self.name}"
        kinds = (("ps", "-aq"), ("volume", "ls", "-q"), ("network", "ls", "-q"))
        return "".join(run("docker", *kind, "--filter", label) for kind in kinds)

    @property
    def url(self) -> str:
        """The gateway."""
        return f"http://127.0.0.1:{self.port}"

    def token(self) -> str:
        """The token that the services share."""
        return self.in_("gateway", "cat", "/run/pivotgym/token")

    def client(self, domain: str, **options: Any) -> Client:
        """A client of a domain behind the gateway."""
        return Client(f"{self.url}/{domain}", token=self.token(), **options)

    def close(self) -> None:
        """End it, with its volumes."""
        self.do("down", "-v", "--remove-orphans", "-t", "5", check=False)
