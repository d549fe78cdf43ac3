"""Bases and images of the docker backend on a real engine: archives, users, building, exporting, what is refused."""

import tarfile
import time
from pathlib import Path

import pytest
from docker_engine import IMAGE, docker_backend

from pivotgym.core.errors import InputError, MissingDependency, TimedOut
from pivotgym.envs.sandbox.contract import Base, Limits, NoShell, ShellState
from pivotgym.envs.sandbox.docker import DockerBackend, build_image, export_image, images

__all__ = ["docker_backend"]
pytestmark = pytest.mark.docker

SMALL = Limits(memory_mb=128, processes=64, disk_mb=64, output_kb=16, wall_s=20)


def test_archive_that_leaves_its_folder_is_refused(docker_backend: DockerBackend, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("../../etc/evil"))
    with pytest.raises(InputError, match="leaves the folder /opt"):
        docker_backend.base(Base("evil", image=IMAGE, archives=((tmp_path / "a.tar", "/opt"),)))


def test_file_that_is_no_archive_is_refused(docker_backend: DockerBackend, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_text("no")
    with pytest.raises(InputError, match="expected a tar archive"):
        docker_backend.base(Base("no", image=IMAGE, archives=((tmp_path / "a.tar", "/opt"),)))


def test_base_without_image_stands_on_the_setting_s(
    docker_backend: DockerBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert docker_backend.base(Base("none")) == docker_backend.base(Base("none", image=IMAGE))
    monkeypatch.setenv("PIVOTGYM_SANDBOX_IMAGE", "127.0.0.1:1/other")
    with pytest.raises(MissingDependency, match=r"127\.0\.0\.1:1/other"):
        docker_backend.base(Base("none"))


def test_image_that_cannot_be_had_says_how(docker_backend: DockerBackend) -> None:
    with pytest.raises(MissingDependency, match=r"docker pull 127\.0\.0\.1:1/no/such"):
        docker_backend.base(Base("none", image="127.0.0.1:1/no/such"))


@pytest.mark.slow
def test_users_other_than_root(docker_backend: DockerBackend) -> None:
    base = docker_backend.base(Base("user", image=IMAGE, user="games", shell=ShellState(cwd="/tmp")))
    sandbox = docker_backend.open(base)
    try:
        assert sandbox.run("id -un; echo $HOME; touch /etc/x || echo no").stdout == b"games\n/usr/games\nno\n"
        assert sandbox.fork().run("id -un").stdout == b"games\n"
    finally:
        sandbox.close()


@pytest.mark.slow
def test_image_is_built_and_a_failing_step_shows_its_log(docker_backend: DockerBackend, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nWORKDIR /app\nRUN echo hello > said\n")
    built = build_image(tmp_path)
    assert images.image_config(built).cwd == "/app"
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo because; false\n")
    with pytest.raises(InputError, match="returned a non-zero code") as failed:
        build_image(tmp_path)
    assert "because" in failed.value.details["log"]


@pytest.mark.slow
@pytest.mark.usefixtures("docker_backend")
def test_build_that_gives_no_sign_of_life_is_ended(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN sleep 3; echo {time.time_ns()}\n")
    with pytest.raises(TimedOut, match="no sign of life in time"):
        build_image(tmp_path, timeout_s=1)


@pytest.mark.slow
def test_exported_image_is_a_whole_root_file_system(docker_backend: DockerBackend, tmp_path: Path) -> None:
    config = export_image(IMAGE, tmp_path / "root.tar")
    assert config.environment["PATH"]
    with tarfile.open(tmp_path / "root.tar") as archive:
        names = set(archive.getnames())
    assert {"etc/passwd", "usr/bin/bash", "bin"} <= names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root.tar"]


def test_a_user_that_the_image_lacks_is_refused(docker_backend: DockerBackend) -> None:
    base = docker_backend.base(Base("nobody there", image=IMAGE, user="nosuchuser"))
    with pytest.raises(NoShell, match=r"cannot be started: .* and the user that its shell is to run as"):
        docker_backend.open(base, limits=SMALL).run("true")
