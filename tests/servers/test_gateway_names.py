"""A host's name that leads to several servers, and to others later, as when a service is scaled."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from toy_domain import StoreDomain, call, make_pivot

from pivotgym.servers.client import Client
from pivotgym.servers.running import OnThread
from pivotgym.servers.serve import make_server
from pivotgym.servers.settings import Settings

COMMAND = "import sys; from pivotgym.cli.main import run_app; sys.exit(run_app(sys.argv[1:]))"
FIRST, SECOND = "127.0.0.1", "127.0.0.2"


def serve(host: str, port: int = 0) -> OnThread:
    settings = Settings(host=host, port=port)
    return OnThread(lambda: make_server(StoreDomain(), map(make_pivot, range(3)), settings), settings)


@pytest.fixture
def port() -> Iterator[int]:
    """The port at which a server stands on two addresses of this machine."""
    first = serve(FIRST)
    found = int(first.url.rpartition(":")[2])
    second = serve(SECOND, found)
    yield found
    first.stop()
    second.stop()


class Hosts:
    """The names that a gateway process knows, in a file that stands in the place of `/etc/hosts` for it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lead(self, name: str, *addresses: str) -> None:
        """Let a name lead to these addresses; the file stays the same one, as the mount wants it."""
        self.path.write_text("".join(f"{address} {name}\n" for address in addresses))


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    made = Hosts(tmp_path / "hosts")
    made.lead("scaled", FIRST)
    wrapped = shutil.which("bwrap") and subprocess.run(_wrapped(made.path, "true"), capture_output=True).returncode == 0
    if not wrapped:
        pytest.skip("bubblewrap cannot mount a file for a process here")
    return made


def _wrapped(hosts: Path, *command: str) -> list[str]:
    return ["bwrap", "--dev-bind", "/", "/", "--ro-bind", str(hosts), "/etc/hosts", "--die-with-parent", *command]


@pytest.fixture
def gateway(hosts: Hosts, port: int) -> Iterator[str]:
    """A gateway process that knows one name of a server."""
    options = ["gateway", "--port", "0", "--check-s", "0.1", "--upstream", f"toy=http://scaled:{port}"]
    with subprocess.Popen(
        _wrapped(hosts.path, sys.executable, "-c", COMMAND, *options), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        url = next(found[0] for line in process.stderr if (found := re.search(r"http://\S+:\d+", line)))
        with Client(url) as client:
            client.wait_ready(30)
        yield url
        process.terminate()


def servers(url: str) -> dict[str, Any]:
    said = httpx.get(f"{url}/metadata", trust_env=False).json()
    return {server["address"]: server for server in said["domains"]["toy"]["servers"]}


def eventually(condition: Callable[[], bool], within_s: float = 20.0) -> bool:
    ends = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.02)
    return True


def test_servers_join_and_leave_by_their_name(gateway: str, hosts: Hosts, port: int) -> None:
    first, second = f"http://{FIRST}:{port}", f"http://{SECOND}:{port}"
    assert set(servers(gateway)) == {first}
    with Client(f"{gateway}/toy") as client:

        def makers(count: int) -> set[str]:
            """Marks of the servers that new sessions come from."""
            return {client.session(task_id="goal-1").id.partition(".")[0] for _ in range(count)}

        hosts.lead("scaled", FIRST, SECOND)
        assert eventually(lambda: servers(gateway).get(second, {}).get("state") == "ready")
        marks = {server["id"] for server in servers(gateway).values()}
        sessions = [client.session(task_id="goal-1") for _ in range(12)]
        assert {session.id.partition(".")[0] for session in sessions} == marks

        # The first is no longer named, and still there: it gets no new work, but its sessions go on.
        hosts.lead("scaled", SECOND)
        assert eventually(lambda: makers(4) == {servers(gateway)[second]["id"]})
        for session in sessions:
            session.step(call("set", key="x", value=1))
