"""Backends by name: one of each per process."""

import importlib.metadata

import pytest

from pivotgym.core.errors import ConfigError
from pivotgym.envs.sandbox import backends
from pivotgym.envs.sandbox.bubblewrap import BubblewrapBackend


def test_the_default_is_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIVOTGYM_SANDBOX", raising=False)
    assert isinstance(backends.default_backend(), BubblewrapBackend)


def test_a_backend_is_one_per_process() -> None:
    assert backends.backend("bubblewrap") is backends.backend("bubblewrap")


def test_after_closing_there_is_a_new_one() -> None:
    before = backends.backend("bubblewrap")
    backends.close_all()
    assert backends.backend("bubblewrap") is not before


def test_an_unknown_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIVOTGYM_SANDBOX", "chroot")
    with pytest.raises(ConfigError, match=r"expected one of bubblewrap, docker.*got 'chroot'"):
        backends.default_backend()


def test_a_third_one_is_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = importlib.metadata.EntryPoint(
        "third", "pivotgym.envs.sandbox.bubblewrap:BubblewrapBackend", "pivotgym.sandboxes"
    )
    monkeypatch.setattr(backends, "entry_points", lambda group: [point] if group == point.group else [])
    assert backends.names() == ["bubblewrap", "docker", "third"]
    assert backends.backend("third") is not backends.backend("bubblewrap")
