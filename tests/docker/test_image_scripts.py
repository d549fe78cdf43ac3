"""The scripts in the images, run as they are."""

import subprocess
import sys
from pathlib import Path

from pivotgym.envs.base.contract import Domain
from pivotgym.servers.serve import BackgroundServer
from pivotgym.servers.settings import TOKEN_FILE, read_token

SCRIPTS = Path(__file__).resolve().parents[2] / "docker"


def make_token(place):
    subprocess.run([SCRIPTS / "token", place], check=True)


def healthy(port):
    command = [sys.executable, "-I", "-S", SCRIPTS / "healthy", str(port)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_token_is_one_that_servers_take(tmp_path):
    make_token(tmp_path / "token")

    token = read_token(tmp_path / "token", TOKEN_FILE)
    assert token is not None
    assert len(token) == 64


def test_token_can_be_read_by_owner_and_group_only(tmp_path):
    make_token(tmp_path / "token")

    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o440


def test_token_is_made_once(tmp_path):
    make_token(tmp_path / "token")
    first = (tmp_path / "token").read_text()

    make_token(tmp_path / "token")

    assert (tmp_path / "token").read_text() == first


def test_two_stacks_have_different_tokens(tmp_path):
    make_token(tmp_path / "one")
    make_token(tmp_path / "two")

    assert (tmp_path / "one").read_text() != (tmp_path / "two").read_text()


def test_server_that_can_serve_is_healthy(ready_domain: Domain):
    with BackgroundServer(ready_domain) as server:
        assert healthy(server.url.rpartition(":")[2]).returncode == 0


def test_server_that_lacks_something_is_not_healthy_and_says_what(ready_domain: Domain):
    with BackgroundServer(ready_domain) as server:
        ready_domain.ready = lambda: "the index is missing"  # type: ignore[method-assign]
        found = healthy(server.url.rpartition(":")[2])

    assert found.returncode == 1
    assert "the index is missing" in found.stderr


def test_nothing_that_listens_is_not_healthy():
    assert healthy(1).returncode != 0
