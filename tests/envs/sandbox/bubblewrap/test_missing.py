"""What keeps bubblewrap from running is said, with the command that mends it."""

import os
import sys
from pathlib import Path

import pytest

from pivotgym.core.errors import MissingDependency, WorldFailed, WrongState
from pivotgym.envs.sandbox.bubblewrap import BubblewrapBackend
from pivotgym.envs.sandbox.bubblewrap.backend import missing
from pivotgym.envs.sandbox.bubblewrap.client import WardenClient
from pivotgym.envs.sandbox.contract import Base, Missing


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """The files of a machine on which nothing is missing, to be changed."""
    for name, text in (
        ("proc/filesystems", "nodev\toverlay\n\text4\n"),
        ("proc/sys/user/max_user_namespaces", "1000\n"),
        ("proc/sys/kernel/unprivileged_userns_clone", "1\n"),
        ("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "0\n"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_nothing_is_missing_on_a_fit_machine(system: Path) -> None:
    assert missing(system, root=False) is None


def test_another_system_has_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert missing() == Missing("expected Linux, this is darwin", "export PIVOTGYM_SANDBOX=docker")


def test_bubblewrap_is_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert missing() == Missing("bubblewrap (bwrap) is not installed", "apt-get install bubblewrap")


def test_util_linux_is_a_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bwrap").symlink_to("/usr/bin/bwrap")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing() == Missing("unshare and setpriv of util-linux are not installed", "apt-get install util-linux")


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
        ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ],
)
def test_switches_of_user_namespaces_are_named(system: Path, name: str, value: str, command: str) -> None:
    (system / "proc/sys" / name).write_text(value + "\n")
    setting = name.replace("/", ".")
    assert missing(system, root=False) == Missing(f"user namespaces are switched off by {setting}", command)


def test_root_is_not_kept_from_them_by_switches_for_others(system: Path) -> None:
    (system / "proc/sys/kernel/unprivileged_userns_clone").write_text("0\n")
    assert missing(system, root=True) is None


def test_overlay_is_a_module(system: Path) -> None:
    (system / "proc/filesystems").write_text("\text4\n")
    assert missing(system) == Missing("the kernel has no overlay file system loaded", "modprobe overlay")


def test_using_it_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingDependency, match=r"bwrap\) is not installed \(apt-get install bubblewrap\)"):
        BubblewrapBackend().base(Base(identity="{}"))


def test_a_closed_backend_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = BubblewrapBackend()
    backend.close()
    backend.close()
    with pytest.raises(WrongState, match="bubblewrap: used after it was closed"):
        backend.capabilities()


def test_a_namespace_that_is_refused_is_said(tmp_path: Path) -> None:
    """A folder that a warden cannot work in stands for all that only shows when it starts."""

    with pytest.raises(WorldFailed, match="the warden is gone"):
        WardenClient(tmp_path, bubblewrap="/usr/bin/bwrap", arguments=["--no-such-argument"])
    assert os.listdir(tmp_path) == []
