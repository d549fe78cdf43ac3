"""The docker backend on a real engine: sessions, files, saved states, limits, and what is left behind."""

import os
import signal
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_engine import IMAGE, docker_backend

from pivotgym.core.errors import InputError, MissingDependency, NotFound, WorldFailed, WrongState
from pivotgym.envs.sandbox.contract import Base, Limits, NoShell, ShellState, Snapshot
from pivotgym.envs.sandbox.docker import DockerBackend, engine, images
from pivotgym.envs.sandbox.docker.changes import changes_of
from pivotgym.envs.sandbox.docker.sandbox import DockerSandbox

__all__ = ["docker_backend"]
pytestmark = pytest.mark.docker

FILES = {"/work/a.txt": b"one\n", "/work/sub/b.txt": b"two\n"}
SMALL = Limits(memory_mb=128, processes=64, disk_mb=64, output_kb=16, wall_s=20)


@pytest.fixture(scope="module")
def start(docker_backend: DockerBackend) -> Snapshot:
    return docker_backend.base(Base("tests", image=IMAGE, files=FILES, shell=ShellState(cwd="/work")))


@pytest.fixture
def box(docker_backend: DockerBackend, start: Snapshot) -> Iterator[DockerSandbox]:
    sandbox = docker_backend.open(start, limits=SMALL)
    yield sandbox
    sandbox.close()


def containers() -> list[str]:
    return [found["Id"] for found in engine.client().containers(all=True, filters={"label": engine.KIND})]


def test_session_lives_on_between_commands(box: DockerSandbox) -> None:
    box.run("cd sub; export A='x y'; f() { cat b.txt; }; umask 027")
    ran = box.run('pwd; echo "$A"; f; umask; echo wrong >&2; false')
    assert (ran.stdout, ran.stderr, ran.exit) == (b"/work/sub\nx y\ntwo\n0027\n", b"wrong\n", 1)


def test_environment_holds_the_image_and_nothing_of_the_server(box: DockerSandbox) -> None:
    told = dict(line.split("=", 1) for line in box.run("env").stdout.decode().splitlines())
    assert {"HOME": "/root", "LC_ALL": "C.UTF-8", "TZ": "UTC"}.items() <= told.items()
    own = images.image_config(IMAGE).environment.keys() | {"HOME", "LC_ALL", "TZ", "PWD", "SHLVL", "_"}
    assert told.keys() <= own


def test_standard_input_reaches_the_command(box: DockerSandbox) -> None:
    assert box.run("tr a-z A-Z", stdin=b"abc").stdout == b"ABC"


def test_changes_are_net_and_read_from_outside(box: DockerSandbox) -> None:
    box.run("echo ONE > a.txt; rm -r sub; ln -s a.txt l; mkdir d; echo x > d/y; cp a.txt t; rm t; touch /etc/passwd")
    changes = box.changes()
    assert sorted(changes) == ["/work/a.txt", "/work/d", "/work/d/y", "/work/l", "/work/sub", "/work/sub/b.txt"]
    assert changes["/work/l"].after is not None
    assert changes["/work/l"].after.digest == "a.txt"
    assert changes["/work/sub/b.txt"].after is None


@pytest.mark.slow
def test_changes_by_the_engine_alone_agree(box: DockerSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    box.run("echo longer > a.txt; rm -r sub; mkdir -p d/e; ln -s a.txt l; mkfifo d/p; chmod 700 /opt; echo 1 > d/e/f")
    near = box.changes()
    monkeypatch.setattr("pivotgym.envs.sandbox.docker.changes._local", lambda container: None)
    assert changes_of(box._machine.id, box._reference) == near


def test_read_follows_links_inside_only(box: DockerSandbox) -> None:
    box.run("ln -s ../../../../etc/hostname up; ln -s b.txt sub/l; ln -s sub dl; ln -s loop loop")
    assert box.read("/work/dl/l") == b"two\n"
    assert box.read("/work/up") != Path("/etc/hostname").read_bytes()
    assert [box.read(path) for path in ("/work", "/nowhere", "/work/loop")] == [None, None, None]


def test_write_makes_folders_and_follows_links(box: DockerSandbox) -> None:
    box.run("ln -s a.txt l")
    box.write("/work/new/deep/x", b"1", mode=0o600)
    box.write("/work/l", b"through")
    told = box.run("stat -c '%a %U' new new/deep/x; cat a.txt").stdout
    assert told == b"755 root\n600 root\nthrough"


@pytest.mark.parametrize("path", ["/work", "/work/a.txt/b", "/work/sub/"])
def test_write_refuses_what_is_no_place_for_a_file(box: DockerSandbox, path: str) -> None:
    with pytest.raises(InputError, match="expected a place for a file"):
        box.write(path, b"")


def test_relative_path_is_refused(box: DockerSandbox) -> None:
    with pytest.raises(InputError, match="expected an absolute path inside"):
        box.read("work/a.txt")


def test_save_restores_files_and_shell(docker_backend: DockerBackend, box: DockerSandbox) -> None:
    box.run("cd sub; export A=1; echo new > c.txt; sleep 60 &")
    saved = box.save()
    box.run("echo later > c.txt")
    again = docker_backend.open(saved, limits=SMALL)
    try:
        assert again.run("pwd; echo $A; cat c.txt").stdout == b"/work/sub\n1\nnew\n"
        assert again.changes() == {}
        assert (saved.processes, again.processes()) == (("sleep 60",), ())
        assert sorted(docker_backend.changes_since_base(saved)) == ["/work/sub/c.txt"]
    finally:
        again.close()
        docker_backend.drop(saved)


@pytest.mark.slow
def test_state_on_many_layers_is_stored_anew(
    docker_backend: DockerBackend, box: DockerSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pivotgym.envs.sandbox.docker.backend.MAX_LAYERS", 3)
    box.run("export A=1; echo new > c.txt; rm -r sub")
    saved = box.save()
    again = docker_backend.open(saved, limits=SMALL)
    try:
        assert images.image_config(saved.layers[-1]).depth < 3
        assert again.run("pwd; echo $A; ls; python3 -c 'print(1)'").stdout == b"/work\n1\na.txt\nc.txt\n1\n"
        assert docker_backend.changes_since_base(saved) == box.changes()
        whole = images.image_config(saved.layers[-1]).labels[images.WHOLE]
    finally:
        again.close()
        docker_backend.drop(saved)
    with pytest.raises(NotFound):
        images.image_config(whole)


@pytest.mark.slow
def test_dropped_state_is_not_found(docker_backend: DockerBackend, box: DockerSandbox) -> None:
    box.run("echo 1 > c")
    saved = box.save()
    docker_backend.drop(saved)
    with pytest.raises(NotFound, match="build the snapshot again"):
        docker_backend.open(saved)


def test_state_without_changed_files_needs_no_image(box: DockerSandbox, start: Snapshot) -> None:
    box.run("cd /tmp")
    saved = box.save()
    assert saved.layers == start.layers
    assert saved.digest != start.digest


@pytest.mark.slow
def test_equal_machines_have_equal_digests(docker_backend: DockerBackend, start: Snapshot) -> None:
    first, second = (docker_backend.open(start) for _ in range(2))
    try:
        first.run("echo x > c.txt")
        second.run("echo y > c.txt; touch gone")
        between = second.save()
        third = docker_backend.open(between)
        third.run("echo x > c.txt; rm gone")
        one, two = first.save(), third.save()
        assert one.digest == two.digest != between.digest
        third.close()
        for snapshot in (two, one, between):
            docker_backend.drop(snapshot)
    finally:
        first.close()
        second.close()


def test_fork_is_independent_and_on_the_same_snapshot(box: DockerSandbox) -> None:
    box.run("export A=1; echo x > c.txt; sleep 60 &")
    fork = box.fork()
    try:
        fork.run("rm a.txt")
        assert fork.run("echo $A; cat c.txt").stdout == b"1\nx\n"
        assert sorted(fork.changes()) == ["/work/a.txt", "/work/c.txt"]
        assert sorted(box.changes()) == ["/work/c.txt"]
        assert fork.processes() == ()
    finally:
        fork.close()


@pytest.mark.slow
def test_fork_leaves_no_image(docker_backend: DockerBackend, box: DockerSandbox) -> None:
    box.run("echo x > c.txt")
    fork = box.fork()
    image = fork._place.image.id
    fork.close()
    assert not images.is_kind(image, "fork")


def test_time_limit_ends_all_and_keeps_files(box: DockerSandbox) -> None:
    box.run("export A=1")
    ran = box.run("export A=2; echo before > c; (sleep 60 &); echo out; sleep 60", timeout_s=0.5)
    assert (ran.ended, ran.exit, ran.stdout, ran.shell_ended) == ("time", None, b"out\n", True)
    assert box.run("echo $A; cat c").stdout == b"1\nbefore\n"
    assert box.processes() == ()


@pytest.mark.slow
def test_fork_bomb_stays_within(box: DockerSandbox) -> None:
    box.run(":(){ :|:& };:; sleep 60", timeout_s=1)
    assert box.run("echo here").stdout == b"here\n"


def test_flood_of_output_is_ended(box: DockerSandbox) -> None:
    ran = box.run("yes")
    assert (ran.ended, len(ran.stdout) < 20_000) == ("output", True)


def test_memory_limit_is_told(box: DockerSandbox) -> None:
    box.run("export A=1")
    ran = box.run("export A=2; python3 -c 'bytearray(1 << 30)'")
    assert (ran.ended, ran.exit) == ("memory", None)
    assert box.run("echo $A; bash -c 'kill -9 $$'; echo $?").stdout == b"2\n137\n"


@pytest.mark.slow
def test_memory_limit_is_told_of_its_own_command_only(box: DockerSandbox) -> None:
    assert box.run("python3 -c 'bytearray(1 << 30)'; true").exit == 0
    assert box.run("bash -c 'kill -9 $$'").exit == 137
    assert box.run("exit 3").exit == 3


@pytest.mark.slow
def test_kill_is_no_lack_of_memory(box: DockerSandbox) -> None:
    assert box.run("bash -c 'kill -9 $$'").exit == 137


@pytest.mark.slow
def test_disk_limit_ends_the_sandbox(box: DockerSandbox) -> None:
    ran = box.run("dd if=/dev/zero of=big bs=1M count=100 2>/dev/null; sleep 60")
    assert (ran.ended, ran.exit) == ("disk", None)


def test_no_network_and_no_new_privileges(box: DockerSandbox) -> None:
    told = box.run("ls /sys/class/net; grep NoNewPrivs /proc/self/status").stdout
    assert told == b"lo\nNoNewPrivs:\t1\n"


def test_network_needs_the_servers_leave(docker_backend: DockerBackend, start: Snapshot) -> None:
    with pytest.raises(InputError, match="this server allows none"):
        docker_backend.open(start, network=True)


@pytest.mark.slow
def test_command_that_ruins_the_system_is_no_failure_of_ours(box: DockerSandbox) -> None:
    box.run("rm /bin/bash; exit")
    ran = box.run("echo here")
    assert (ran.ended, ran.exit) == ("died", None)


def test_container_that_was_removed_is_our_failure(docker_backend: DockerBackend, start: Snapshot) -> None:
    sandbox = docker_backend.open(start)
    sandbox.run("true")
    engine.client().remove_container(sandbox._machine.id, force=True)
    for call in (lambda: sandbox.run("true"), lambda: sandbox.read("/x"), lambda: sandbox.write("/x", b"")):
        with pytest.raises(WorldFailed):
            call()
    sandbox.close()


def test_terminal_is_declared_missing(docker_backend: DockerBackend, box: DockerSandbox) -> None:
    assert not docker_backend.capabilities().terminal
    with pytest.raises(MissingDependency, match="it has no terminal"):
        box.terminal()


def test_closed_sandbox_is_gone(docker_backend: DockerBackend, start: Snapshot) -> None:
    sandbox = docker_backend.open(start)
    sandbox.run("true")
    sandbox.close()
    sandbox.close()
    assert sandbox._machine.id not in containers()
    with pytest.raises(WrongState, match="after it was closed"):
        sandbox.run("true")


@pytest.mark.slow
def test_base_unpacks_archives_as_they_are(docker_backend: DockerBackend, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for name, kind, mode, link in (
            ("d", tarfile.DIRTYPE, 0o700, ""),
            ("d/run", tarfile.REGTYPE, 0o755, ""),
            ("d/l", tarfile.SYMTYPE, 0o777, "run"),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.linkname, member.mtime = kind, mode, link, 1_000_000_000
            archive.addfile(member)
    base = Base("archive", image=IMAGE, archives=((tmp_path / "a.tar.gz", "/opt/in"),))
    sandbox = docker_backend.open(docker_backend.base(base))
    try:
        told = sandbox.run("stat -c '%a %Y %N' /opt/in/d /opt/in/d/run; readlink /opt/in/d/l").stdout
        assert told == b"700 1000000000 '/opt/in/d'\n755 1000000000 '/opt/in/d/run'\nrun\n"
    finally:
        sandbox.close()


@pytest.mark.slow
def test_base_copies_a_folder(docker_backend: DockerBackend, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x").write_text("1")
    base = docker_backend.base(Base("folder", image=IMAGE, folder=tmp_path, folder_at="/data"))
    sandbox = docker_backend.open(base)
    try:
        assert sandbox.read("/data/sub/x") == b"1"
    finally:
        sandbox.close()
        engine.remove_image(base.layers[0])


def test_base_is_built_once(docker_backend: DockerBackend, start: Snapshot) -> None:
    again = docker_backend.base(Base("tests", image=IMAGE, files=FILES, shell=ShellState(cwd="/work")))
    assert again == start


SERVER = textwrap.dedent("""
    import sys, time
    from pivotgym.envs.sandbox.contract import Base
    from pivotgym.envs.sandbox.docker import DockerBackend
    backend = DockerBackend()
    box = backend.open(backend.base(Base("killed", image=sys.argv[1])))
    box.run("sleep 1000 & setsid sleep 1000 & echo 1 > /x")
    fork = box.fork()
    box._reference()
    print(box._machine.id, fork._machine.id, box._untouched, fork._place.image.id, flush=True)
    time.sleep(1000)
""")


@pytest.mark.slow
def test_killed_server_leaves_nothing(docker_backend: DockerBackend) -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER, IMAGE], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    box, fork, reference, image = server.stdout.readline().split()
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    deadline = time.monotonic() + 20
    while {box, fork} & set(containers()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not {box, fork} & set(containers())
    engine.reap()
    assert reference not in containers()
    assert not images.is_kind(image, "fork")


def test_reaping_leaves_those_of_the_living(box: DockerSandbox) -> None:
    engine.reap()
    assert box.run("echo here").stdout == b"here\n"


@pytest.mark.slow
def test_many_at_once(docker_backend: DockerBackend, start: Snapshot) -> None:
    said: dict[int, bytes] = {}

    def session(number: int) -> None:
        sandbox = docker_backend.open(start, limits=SMALL)
        sandbox.run(f"echo {number} > mine")
        fork = sandbox.fork()
        said[number] = fork.run("cat mine").stdout
        fork.close()
        sandbox.close()

    threads = [threading.Thread(target=session, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {number: b"%d\n" % number for number in range(32)}


def test_a_machine_that_lost_its_bash_is_told_apart_from_a_failure_of_ours(
    docker_backend: DockerBackend, box: DockerSandbox
) -> None:
    box.run("rm -f /bin/bash /usr/bin/bash")
    with pytest.raises(NoShell, match="no bash that can be started"):
        docker_backend.open(box.save(), limits=SMALL).run("true")
