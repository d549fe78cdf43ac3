"""The backend's contract: bases, sandboxes, changes, files from outside, snapshots, forks, ends."""

import io
import os
import signal
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pivotgym.core.errors import InputError, MissingDependency, NotFound, PivotRefused, WrongState
from pivotgym.envs.sandbox.bubblewrap import BubblewrapBackend
from pivotgym.envs.sandbox.bubblewrap.session import BubblewrapSandbox
from pivotgym.envs.sandbox.contract import Base, Entry, NoShell, ShellState, Snapshot
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore

Opened = Callable[..., BubblewrapSandbox]


def test_a_session_begins_where_the_base_says(sandbox: BubblewrapSandbox) -> None:
    assert sandbox.run("pwd; cat a.txt; id -u; echo $HOME $TZ").stdout == b"/work\none\n0\n/root UTC\n"


def test_a_fresh_sandbox_has_changed_nothing(sandbox: BubblewrapSandbox) -> None:
    sandbox.run("true")
    assert sandbox.changes() == {}


def test_changes_are_read_from_outside(sandbox: BubblewrapSandbox) -> None:
    sandbox.run("echo three > c.txt; chmod 600 a.txt; rm -r deep; ln -s a.txt l")
    changes = sandbox.changes()
    assert sorted(changes) == ["/work/a.txt", "/work/c.txt", "/work/deep", "/work/deep/b.txt", "/work/l"]
    assert changes["/work/deep"].after is None
    assert changes["/work/l"].after == Entry("link", digest="a.txt")
    assert changes["/work/a.txt"].after == replace(changes["/work/a.txt"].before or Entry("file"), mode=0o600)


def test_the_shell_lives_through_the_session(sandbox: BubblewrapSandbox) -> None:
    sandbox.run("cd /tmp; export A=1; f() { echo f; }; umask 077")
    assert sandbox.run("pwd; echo $A; f; umask").stdout == b"/tmp\n1\nf\n0077\n"


def test_a_command_over_its_time_leaves_files_and_the_state_before_it(sandbox: BubblewrapSandbox) -> None:
    sandbox.run("cd /tmp")
    ran = sandbox.run("touch here; cd /; sleep 100", timeout_s=0.3)
    assert (ran.exit, ran.ended, ran.shell_ended) == (None, "time", True)
    assert sandbox.run("pwd; ls").stdout == b"/tmp\nhere\n"


def test_exit_ends_the_shell_and_the_session_goes_on(sandbox: BubblewrapSandbox) -> None:
    ran = sandbox.run("exit 7")
    assert (ran.exit, ran.shell_ended) == (7, True)
    assert sandbox.run("pwd").stdout == b"/work\n"


def test_a_machine_that_was_ruined_is_no_failure_of_ours(sandbox: BubblewrapSandbox, opened: Opened) -> None:
    sandbox.run("rm -r /bin /lib /lib64; exit")
    ran = sandbox.run("echo here")
    assert (ran.ended, ran.exit, ran.stderr) == ("died", None, b"no shell can be started any more\n")
    for again in (sandbox.fork(), opened(sandbox.save())):
        assert again.run("echo here").ended == "died"
    assert sandbox.read("/work/a.txt") == b"one\n"


def test_a_server_in_the_background_does_not_make_sandboxes_deaf(store: SnapshotStore, start: Snapshot) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    backend = BubblewrapBackend(store)
    try:
        with closing(backend.open(start)) as sandbox:
            assert sandbox.run("trap -p; sh -c 'kill -INT $$; echo deaf'").stdout == b""
    finally:
        signal.signal(signal.SIGINT, before)
        backend.close()


def test_a_file_is_read_and_written_from_outside(sandbox: BubblewrapSandbox) -> None:
    sandbox.write("/new/folder/x", b"\0\xff", mode=0o640)
    assert sandbox.run("stat -c '%a %u %s' /new/folder/x; stat -c %a /new/folder").stdout == b"640 0 2\n755\n"
    assert sandbox.read("/new/folder/x") == b"\0\xff"


@pytest.mark.parametrize("path", ["/work", "/none", "/dev/null", "/work/a.txt/x"])
def test_what_is_no_regular_file_is_not_read(sandbox: BubblewrapSandbox, path: str) -> None:
    assert sandbox.read(path) is None


def test_the_machines_own_tools_are_read_through_links(sandbox: BubblewrapSandbox) -> None:
    assert sandbox.read("/bin/bash") == Path("/bin/bash").read_bytes()


def test_a_fifo_in_the_way_does_not_block_the_reader(sandbox: BubblewrapSandbox) -> None:
    sandbox.run("mkfifo /work/p")
    assert sandbox.read("/work/p") is None


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("relative", "expected an absolute path of a file"),
        ("/work/..", "expected an absolute path of a file"),
        ("/work/a.txt/x", "/work/a.txt is no folder"),
        ("/work/deep", "found a folder or device there"),
        ("/usr/bin/x", "no place for a file"),
        ("/bin/x", "no place for a file"),
        ("/dev/null", "no place for a file: /dev is made by the kernel"),
    ],
)
def test_what_is_no_place_for_a_file_is_refused(sandbox: BubblewrapSandbox, path: str, reason: str) -> None:
    sandbox.run("true")
    with pytest.raises(InputError, match=reason):
        sandbox.write(path, b"x")


def test_a_snapshot_holds_files_and_shell(sandbox: BubblewrapSandbox, opened: Opened) -> None:
    sandbox.run("cd deep; export A=1; echo more >> b.txt; g() { echo g; }")
    snapshot = sandbox.save()
    sandbox.run("rm b.txt")
    assert opened(snapshot).run("pwd; echo $A; cat b.txt; g").stdout == b"/work/deep\n1\ntwo\nmore\ng\n"


def test_a_save_without_changed_files_adds_no_layer(sandbox: BubblewrapSandbox, start: Snapshot) -> None:
    sandbox.run("cd /tmp; touch x; rm x")
    saved = sandbox.save()
    assert saved.layers == start.layers
    assert saved.digest != start.digest


def test_equal_machines_have_equal_digests(opened: Opened) -> None:
    one, two = opened(), opened()
    one.run("echo x > n; rm a.txt")
    two.run("rm a.txt; echo y > n")
    two.run("echo x > n")
    assert one.save().digest == two.save().digest
    assert one.save().digest == opened(one.save()).save().digest


def test_changes_are_against_the_snapshot_that_was_opened(sandbox: BubblewrapSandbox, opened: Opened) -> None:
    sandbox.run("echo x > n; rm a.txt")
    later = opened(sandbox.save())
    later.run("rm n; echo back > a.txt")
    assert sorted(later.changes()) == ["/work/a.txt", "/work/n"]
    assert later.changes()["/work/a.txt"].before is None


def test_a_fork_goes_its_own_way(sandbox: BubblewrapSandbox) -> None:
    sandbox.run("cd /tmp; echo 1 > f; rm /work/a.txt; mkdir -p /work/deep; rm -r /work/deep; mkdir /work/deep")
    copy = sandbox.fork()
    sandbox.run("echo 2 > f")
    assert copy.run("pwd; cat f; ls /work /work/deep").stdout == b"/tmp\n1\n/work:\ndeep\n\n/work/deep:\n"
    assert "/work/deep/b.txt" in copy.changes()
    copy.close()


def test_what_runs_beside_the_shell_is_named_and_not_restored(sandbox: BubblewrapSandbox, opened: Opened) -> None:
    sandbox.run("sleep 321 & until grep -q ^sleep /proc/$!/cmdline; do :; done")
    assert sandbox.processes() == ("sleep 321",)
    snapshot = sandbox.save()
    assert snapshot.processes == ("sleep 321",)
    assert opened(snapshot).run("cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c '^sleep'").stdout == b"0\n"


def test_a_long_command_line_is_cut(sandbox: BubblewrapSandbox) -> None:
    sandbox.run("bash -c 'sleep 100; :' $(head -c 90000 /dev/zero | tr '\\0' a) & until pgrep -x sleep; do :; done")
    lines = sandbox.processes()
    assert lines[0].startswith("bash -c sleep 100; : aaa")
    assert [len(line) for line in lines] == [4096, len("sleep 100")]


def test_closing_twice_is_closing_once(sandbox: BubblewrapSandbox) -> None:
    sandbox.run("true")
    sandbox.close()
    sandbox.close()
    with pytest.raises(WrongState, match="used after it was closed"):
        sandbox.run("true")


def test_a_snapshot_without_its_layer_is_not_found(backend: BubblewrapBackend, start: Snapshot) -> None:
    with pytest.raises(NotFound, match="build the snapshot again"):
        backend.open(replace(start, layers=(*start.layers, "l000000000000")))


def test_a_base_is_built_once(backend: BubblewrapBackend) -> None:
    base = Base(identity='{"test": "once"}', files={"/x": b"1"})
    assert backend.base(base) == backend.base(base)


def test_the_shell_runs_as_the_bases_user(backend: BubblewrapBackend, opened: Opened) -> None:
    if not backend.capabilities().users:
        pytest.skip("this user has no range of ids: only root exists inside")
    snapshot = backend.base(Base(identity='{"test": "user"}', user="user", shell=ShellState(cwd="/home/user")))
    sandbox = opened(snapshot)
    ran = sandbox.run("id -un; echo $HOME; touch x && stat -c %U x; cat /etc/shadow; grep CapEff /proc/self/status")
    assert ran.stdout == b"user\n/home/user\nuser\nCapEff:\t0000000000000000\n"
    assert sandbox.run("echo to a file > /dev/stderr").stderr == b"to a file\n"


def test_an_unknown_user_is_refused(backend: BubblewrapBackend) -> None:
    with pytest.raises(InputError, match="user 'nemo': expected a name of the machine's passwd file"):
        backend.base(Base(identity='{"test": "nemo"}', user="nemo"))


def archive_of(folder: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    file = folder / "some.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file


def member(name: str, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def test_an_archive_keeps_modes_times_links_and_owners(
    backend: BubblewrapBackend, opened: Opened, tmp_path: Path
) -> None:
    file = archive_of(
        tmp_path,
        (member("d", type=tarfile.DIRTYPE, mode=0o2775, mtime=7), b""),
        (member("d/run", mode=0o4755, mtime=12345, uid=1000, gid=100), b"#!/bin/sh\n"),
        (member("d/same", type=tarfile.LNKTYPE, linkname="d/run", mode=0o4755, mtime=12345, uid=1000, gid=100), b""),
        (member("d/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"), b""),
    )
    snapshot = backend.base(Base(identity='{"test": "archive"}', archives=((file, "/opt/t"),)))
    told = opened(snapshot).run("cd /opt/t/d; stat -c '%a %Y %h %N' . run link; stat -c %u run").stdout.decode()
    users = backend.capabilities().users
    assert told.splitlines()[0] == "2775 7 2 '.'"
    assert told.splitlines()[1] == "4755 12345 2 'run'"
    assert told.splitlines()[2].endswith("'link' -> '/etc/passwd'")
    assert told.splitlines()[3] == ("1000" if users else "0")


@pytest.mark.parametrize(
    "members",
    [
        [(member("../out"), b"x")],
        [(member("a/../../out"), b"x")],
        [(member("l", type=tarfile.SYMTYPE, linkname="/tmp"), b""), (member("l/out"), b"x")],
        [(member("l", type=tarfile.SYMTYPE, linkname="../.."), b""), (member("l/out"), b"x")],
        [(member("h", type=tarfile.LNKTYPE, linkname="../../manifest.json"), b"")],
    ],
    ids=["parent", "hidden parent", "absolute link", "relative link", "hard link"],
)
def test_an_archive_cannot_leave_its_folder(
    backend: BubblewrapBackend, tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    file = archive_of(tmp_path, *members)
    with pytest.raises(InputError, match=r"some\.tar\.gz: cannot be unpacked: member .* outside of the folder"):
        backend.base(Base(identity=f'{{"test": "{members[0][0].name}"}}', archives=((file, "/opt/t"),)))


@pytest.mark.parametrize("user", ["root", "1000:1000"])
def test_a_base_that_takes_bash_away_is_told_apart_from_a_failure_of_ours(
    backend: BubblewrapBackend, opened: Opened, user: str
) -> None:
    if user != "root" and not backend.capabilities().users:
        pytest.skip("only root exists in sandboxes here")
    files = {"/usr/bin/bash": b"no program"}
    snapshot = backend.base(Base(identity='{"test": "no bash"}', files=files, user=user))
    with pytest.raises(NoShell, match="the session's bash cannot be started: it said '"):
        opened(snapshot).run("true")


def test_what_is_no_archive_is_refused(backend: BubblewrapBackend, tmp_path: Path) -> None:
    (tmp_path / "bad.tar").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=r"archive bad\.tar: cannot be unpacked"):
        backend.base(Base(identity='{"test": "bad"}', archives=((tmp_path / "bad.tar", "/"),)))


def test_an_archive_of_folders_without_end_is_refused(backend: BubblewrapBackend, tmp_path: Path) -> None:
    file = archive_of(tmp_path, (member("d/" * 1500 + "x"), b""))
    with pytest.raises(InputError, match=r"some\.tar\.gz: cannot be unpacked: its folders are nested too deeply"):
        backend.base(Base(identity='{"test": "deep"}', archives=((file, "/"),)))


def test_a_folder_is_copied_in(backend: BubblewrapBackend, opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x").write_text("in a folder")
    snapshot = backend.base(Base(identity='{"test": "folder"}', folder=tmp_path, folder_at="/data"))
    assert opened(snapshot).run("cat /data/sub/x; stat -c %u /data/sub/x").stdout == b"in a folder0\n"


def test_many_sessions_live_at_once(opened: Opened) -> None:
    sandboxes = [opened() for _ in range(20)]
    for number, sandbox in enumerate(sandboxes):
        sandbox.run(f"echo {number} > n")
    assert [sandbox.run("cat n").stdout for sandbox in sandboxes] == [f"{n}\n".encode() for n in range(20)]


def test_a_terminal_goes_on_in_the_shells_state(sandbox: BubblewrapSandbox) -> None:
    sandbox.run("cd deep; export A=1")
    terminal = sandbox.terminal(columns=100, rows=20)
    shown = terminal.send("echo $A; pwd; tty; stty size\n", wait_s=5)
    assert [line for line in shown.splitlines() if line in ("1", "/work/deep", "/dev/console", "20 100")] == [
        "1", "/work/deep", "/dev/console", "20 100",
    ]  # fmt: skip
    with pytest.raises(WrongState, match="its terminal is open"):
        sandbox.run("true")


def test_a_terminals_work_is_saved_but_not_a_program(sandbox: BubblewrapSandbox, opened: Opened) -> None:
    terminal = sandbox.terminal()
    terminal.send("cd /tmp; B=2; echo x > y\n", wait_s=5)
    terminal.send("cat\n", wait_s=0.3)
    with pytest.raises(PivotRefused, match="a program has the terminal"):
        sandbox.save()
    terminal.send("\x04", wait_s=5)
    assert opened(sandbox.save()).run("pwd; echo $B; cat y").stdout == b"/tmp\n2\nx\n"


def test_a_program_on_the_terminal_is_interrupted_by_its_key(sandbox: BubblewrapSandbox) -> None:
    terminal = sandbox.terminal()
    terminal.send("sleep 1000\n", wait_s=0.2)
    assert terminal.busy
    terminal.send("C-c", wait_s=5)
    assert (terminal.busy, terminal.last_exit) == (False, 130)


def test_a_terminal_takes_pyte(sandbox: BubblewrapSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pivotgym.envs.sandbox.shell.terminal", None)
    with pytest.raises(MissingDependency, match=r"pyte is not installed \(pip install pivotgym\[serve\]\)"):
        sandbox.terminal()


@pytest.fixture
def on_image(backend: BubblewrapBackend, opened: Opened) -> BubblewrapSandbox:
    image = os.environ.get("PIVOTGYM_TEST_IMAGE", "python:3.11-slim-bookworm")
    docker = pytest.importorskip("docker", reason="the docker SDK is not installed")
    try:
        docker.from_env().images.get(image)
    except docker.errors.DockerException as error:
        pytest.skip(f"no engine, or not the image {image}: {error}")
    base = Base(identity='{"test": "image"}', image=image, files={"/work/x": b"x"}, shell=ShellState(cwd="/work"))
    return opened(backend.base(base))


@pytest.mark.slow
def test_an_image_of_the_container_engine_is_a_base(on_image: BubblewrapSandbox) -> None:
    told = on_image.run("python3 -c 'print(open(\"x\").read())'; touch /usr/bin/mine; stat -c %U /usr").stdout
    assert told == b"x\nroot\n"
    assert list(on_image.changes()) == ["/usr/bin/mine"]


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["/bin/bash /usr/bin/bash", "/lib /usr/lib"])
def test_a_command_that_takes_bash_away_is_no_failure_of_ours(on_image: BubblewrapSandbox, lost: str) -> None:
    on_image.run(f"rm -rf {lost}; kill -9 $$")
    ran = on_image.run("true")
    assert (ran.exit, ran.ended, ran.stderr) == (None, "died", b"no shell can be started any more\n")
