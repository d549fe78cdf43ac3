"""What an engine says becomes an error of ours, with what mends it."""

import sys

import docker.errors
import pytest
import requests
import urllib3

from pivotgym.core.errors import Full, InputError, MissingDependency, NotFound, PivotGymError, TimedOut, WorldFailed
from pivotgym.envs.sandbox.docker import DockerBackend, engine


def said(status: int, text: str) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    kind = docker.errors.NotFound if status == 404 else docker.errors.APIError
    return kind("refused", response=response, explanation=text)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (said(404, "No such image"), NotFound, "starting: No such image"),
        (said(404, "No such container: 1"), WorldFailed, "starting: the container is gone"),
        (said(400, "bad name"), InputError, "starting: the engine refuses: bad name"),
        (said(500, "write /x: no space left on device"), Full, "starting: the engine has no room"),
        (said(500, "panic"), WorldFailed, "starting: the engine failed: panic"),
        (requests.ConnectionError("gone"), WorldFailed, "starting: the engine cannot be reached: gone"),
        (requests.ReadTimeout("slow"), TimedOut, "starting: the engine gave no sign of life in time"),
        (urllib3.exceptions.ProtocolError("cut"), WorldFailed, "starting: the engine cannot be reached: cut"),
    ],
)
def test_engine_s_errors_are_ours(error: Exception, kind: type[PivotGymError], message: str) -> None:
    with pytest.raises(kind, match=message) as raised, engine.calls("starting"):
        raise error
    assert type(raised.value) is kind


def test_no_engine_is_said_with_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    lack = engine.missing()
    assert lack is not None
    assert "no container engine answers" in lack.what
    assert "DOCKER_HOST" in lack.command


def test_no_sdk_is_said_with_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    lack = engine.missing()
    assert lack is not None
    assert (lack.what, lack.command) == (
        "the Python package `docker` is not installed",
        "pip install 'pivotgym[docker]'",
    )


def test_backend_without_engine_refuses_to_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(MissingDependency, match="docker backend: no container engine answers"):
        DockerBackend()._running()
