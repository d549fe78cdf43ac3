"""What a command does to its sandbox is its own affair: the host, the server and the other sessions go on."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pivotgym.core.errors import InputError
from pivotgym.envs.sandbox.bubblewrap import BubblewrapBackend
from pivotgym.envs.sandbox.bubblewrap.session import BubblewrapSandbox
from pivotgym.envs.sandbox.contract import Limits, Snapshot

Opened = Callable[..., BubblewrapSandbox]


def host_pids(words: str) -> list[int]:
    """Processes of this machine, whoever's, whose command line holds these words."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words in line and "pytest" not in line:
            found.append(int(place.parent.name))
    return found


# --- using up what there is


def test_a_fork_bomb_ends_with_its_command(sandbox: BubblewrapSandbox, neighbour: BubblewrapSandbox) -> None:
    ran = sandbox.run("f() { f | f & }; f; sleep 30", timeout_s=1.5)
    assert ran.ended == "time" or ran.exit is not None
    assert sandbox.run("echo again").stdout == b"again\n"


def test_processes_are_counted_per_sandbox(sandbox: BubblewrapSandbox, neighbour: BubblewrapSandbox) -> None:
    ran = sandbox.run("for i in {1..100}; do sleep 50 & done; jobs | wc -l", timeout_s=1)
    assert b"Resource temporarily unavailable" in ran.stderr
    assert neighbour.run("for i in {1..20}; do sleep 0 & done; wait; echo ok").stdout == b"ok\n"


def test_a_full_disk_is_the_sandboxs_own(sandbox: BubblewrapSandbox, neighbour: BubblewrapSandbox) -> None:
    ran = sandbox.run("for i in 1 2 3 4; do head -c 15M /dev/zero > f$i; done")
    assert b"No space left on device" in ran.stderr
    assert sum(change.after.size for change in sandbox.changes().values() if change.after) <= 32 << 20
    assert neighbour.run("head -c 10M /dev/zero > f && echo ok").stdout == b"ok\n"
    assert sandbox.run("rm f*; echo x > y; cat y").stdout == b"x\n"


def test_too_many_files_are_refused(sandbox: BubblewrapSandbox) -> None:
    ran = sandbox.run("for i in {1..600}; do : > n$i; done")
    assert b"No space left on device" in ran.stderr
    assert len(sandbox.changes()) <= 516


def test_a_file_over_its_size_is_cut(sandbox: BubblewrapSandbox) -> None:
    assert sandbox.run("head -c 20M /dev/zero > big").exit != 0
    assert len(sandbox.read("/work/big") or b"") <= 16 << 20


def test_ten_gigabytes_of_output_end_the_command(sandbox: BubblewrapSandbox, neighbour: BubblewrapSandbox) -> None:
    ran = sandbox.run("head -c 10G /dev/zero")
    assert (ran.exit, ran.ended) == (None, "output")
    assert len(ran.stdout) < 17 << 10
    assert sandbox.run("echo again").stdout == b"again\n"


def test_a_memory_hog_is_killed(
    backend: BubblewrapBackend, sandbox: BubblewrapSandbox, neighbour: BubblewrapSandbox
) -> None:
    ran = sandbox.run("head -c 1000M /dev/zero | tail")
    if backend.capabilities().memory == "total":
        assert (ran.exit, ran.ended) == (None, "memory")
    else:
        assert b"memory exhausted" in ran.stderr
    assert sandbox.run("echo again").stdout == b"again\n"


def test_memory_is_told_of_its_own_command_only(sandbox: BubblewrapSandbox) -> None:
    assert sandbox.run("head -c 1000M /dev/zero | tail; true").exit == 0
    assert sandbox.run("bash -c 'kill -9 $$'").exit == 137
    assert sandbox.run("exit 3").exit == 3
    assert sandbox.run("kill -9 $$").exit == 137


@pytest.mark.slow
def test_many_small_hogs_count_together(backend: BubblewrapBackend, sandbox: BubblewrapSandbox) -> None:
    if backend.capabilities().memory != "total":
        pytest.skip("no control groups here: memory is limited for each process alone")
    hog = "({ head -c 60M /dev/zero; sleep 1; } | tail > /dev/null; echo status ${PIPESTATUS[1]}) & "
    ran = sandbox.run(f"{hog * 6} wait")
    assert b"status 137" in ran.stdout or ran.ended == "memory"
    assert sandbox.run("echo again").stdout == b"again\n"


def test_shared_memory_is_bounded(sandbox: BubblewrapSandbox) -> None:
    ran = sandbox.run("for i in {1..6}; do head -c 15M /dev/zero > /dev/shm/$i; done; echo x > /dev/mine")
    assert b"No space left on device" in ran.stderr
    assert b"/dev/mine: Read-only file system" in ran.stderr


def test_processor_time_is_bounded(opened: Opened) -> None:
    ran = opened(limits=Limits(cpu_s=1)).run("bash -c 'while :; do :; done'")
    assert ran.exit == 128 + 9


def test_huge_arguments_fail_as_anywhere(sandbox: BubblewrapSandbox) -> None:
    ran = sandbox.run("/bin/echo $(head -c 3M /dev/zero | tr '\\0' a) | wc -c")
    assert b"Argument list too long" in ran.stderr


# --- living on


def test_a_daemon_outlives_its_command_and_not_its_session(sandbox: BubblewrapSandbox) -> None:
    sandbox.run("(setsid nohup bash -c 'exec -a outliving-one sleep 1000' > /dev/null 2>&1 &)")
    sandbox.run("until pgrep -f outliving-one; do :; done", timeout_s=5)
    assert host_pids("outliving-one")
    sandbox.close()
    assert not host_pids("outliving-one")


@pytest.mark.parametrize("end", ["exit", "kill -9 $$", "exec true"])
def test_a_daemon_ends_with_the_shell(sandbox: BubblewrapSandbox, end: str) -> None:
    sandbox.run("(setsid bash -c 'trap \"\" TERM HUP INT; exec -a outliving-two sleep 1000' &)")
    sandbox.run(end)
    sandbox.run("true")
    assert not host_pids("outliving-two")


def test_a_double_fork_ends_with_a_time_out(sandbox: BubblewrapSandbox) -> None:
    ran = sandbox.run("( (exec -a outliving-three sleep 1000 &) & ); sleep 60", timeout_s=0.5)
    assert ran.ended == "time"
    assert not host_pids("outliving-three")


# --- reading what is others'


def test_the_hosts_files_are_not_there(sandbox: BubblewrapSandbox, secret: Path) -> None:
    assert sandbox.run(f"cat {secret}").exit == 1
    listed = sandbox.run("ls /home /root /mnt /var/tmp /tmp").stdout.decode().split()
    assert set(listed) <= {"/home:", "user", "/root:", "/mnt:", "/var/tmp:", "/tmp:"}


def test_a_link_to_the_hosts_files_leads_nowhere(sandbox: BubblewrapSandbox, secret: Path) -> None:
    sandbox.run(f"ln -s {secret} l; ln -s {'../' * 20}{secret} m; ln -s / top; ln -s /proc/self/root{secret} p")
    for path in ("/work/l", "/work/m", f"/work/top{secret}", f"/../../..{secret}", "/work/p", f"/proc/1/root{secret}"):
        assert sandbox.read(path) is None


def test_a_link_does_not_lead_a_write_out(sandbox: BubblewrapSandbox, secret: Path) -> None:
    sandbox.run(f"ln -s {secret} l; ln -s {secret.parent} d; mkdir -p {secret.parent}")
    sandbox.write("/work/l", b"inside")
    sandbox.write("/work/d/other", b"inside")
    sandbox.write(f"/../..{secret}", b"inside too")
    assert secret.read_text() == "of the host"
    assert sorted(path.name for path in secret.parent.iterdir()) == ["secret"]
    assert sandbox.run(f"cat {secret} {secret.parent}/other").stdout == b"inside tooinside"


def test_a_dangling_link_is_written_through_inside_only(sandbox: BubblewrapSandbox) -> None:
    sandbox.run("ln -s /no/such/folder/x l")
    with pytest.raises(InputError, match="no place for a file"):
        sandbox.write("/work/l", b"x")


def test_no_account_of_the_host_is_shown(sandbox: BubblewrapSandbox) -> None:
    assert b"$" not in (sandbox.read("/etc/shadow") or b"$")
    assert b"root:*:" in (sandbox.read("/etc/shadow") or b"")


def test_the_servers_processes_are_not_seen(sandbox: BubblewrapSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIVOTGYM_TEST_TOKEN", "very secret")
    seen = sandbox.run("cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'; ls -d /proc/[0-9]* | wc -l")
    assert b"very secret" not in seen.stdout
    assert b"python" not in seen.stdout
    assert int(seen.stdout.split()[-1]) < 8


def test_the_verifiers_source_is_not_there(sandbox: BubblewrapSandbox) -> None:
    import pivotgym.core

    assert sandbox.run(f"ls {Path(pivotgym.core.__file__).parent}").exit != 0


def test_another_sessions_files_are_not_there(sandbox: BubblewrapSandbox, neighbour: BubblewrapSandbox) -> None:
    neighbour.run("echo private-to-one > /work/private; cp /work/private /dev/shm; sleep 100 &")
    found = sandbox.run(
        "ls /dev/shm /tmp; grep -rs private-to-one / --exclude-dir=proc --exclude-dir=usr; pgrep -x sleep"
    )
    assert b"private" not in found.stdout.replace(b"--exclude", b"")


def test_no_open_file_of_the_server_is_inherited(sandbox: BubblewrapSandbox) -> None:
    targets = sandbox.run("for f in /proc/self/fd/* /proc/1/fd/*; do readlink $f; done").stdout.decode().split()
    kinds = {target.split(":")[0] for target in targets}
    assert kinds <= {"/dev/null", "pipe", "user", "anon_inode", "/proc/self/fd", "/proc"} | {
        target for target in targets if target.startswith(("/proc/", "/dev/pts"))
    }


# --- changing what is others'


@pytest.mark.parametrize(
    "command",
    [
        "touch /usr/mine",
        "touch /usr/bin/mine",
        "mount -o remount,rw /usr",
        "mount -t tmpfs none /mnt",
        "mount --bind /tmp /mnt",
        "umount /usr",
        "unshare --user true",
        "unshare --mount true",
        "unshare --net true",
        "echo 1 > /proc/sys/vm/drop_caches",
        "echo 1 > /proc/sys/kernel/printk",
        "echo 1000 > /proc/sys/user/max_user_namespaces",
        "echo b > /proc/sysrq-trigger",
        "chroot /proc/1/root true && nsenter -t 1 -m true",
        "mknod d b 8 0 && cat d",
        "mknod d c 1 1 && cat d",
        "cat /dev/mem",
        "cat /dev/vda /dev/sda",
        "hostname changed",
        "date -s 2001-01-01",
        "dmesg",
        "sysctl -w kernel.hostname=x",
        "swapoff -a && swapon /work/a.txt",
        "insmod x.ko || modprobe overlay",
        "ip link add type dummy",
        "renice -n -5 $$",
    ],
)
def test_what_takes_the_machines_root_is_refused(sandbox: BubblewrapSandbox, command: str) -> None:
    assert sandbox.run(command, timeout_s=5).exit not in (0, None)


def test_a_setuid_program_gives_no_rights(sandbox: BubblewrapSandbox) -> None:
    ran = sandbox.run(
        "cp /usr/bin/id i; chown 1000 i 2>/dev/null; chmod u+s i; ./i -u; grep NoNewPrivs /proc/self/status"
    )
    assert ran.stdout.endswith(b"0\nNoNewPrivs:\t1\n")


def test_rights_are_those_of_a_container(sandbox: BubblewrapSandbox) -> None:
    bounding = int(sandbox.run("grep CapBnd /proc/self/status | cut -f2").stdout, 16)
    assert bounding == 0x00000000A80425FB


def test_no_process_of_others_can_be_signalled(sandbox: BubblewrapSandbox, neighbour: BubblewrapSandbox) -> None:
    neighbour.run("sleep 100 & echo $! > pid")
    sandbox.run("kill -9 -1; for p in {2..400}; do kill -9 $p; done")
    assert neighbour.run("kill -0 $(cat pid) && echo lives").stdout == b"lives\n"


def test_ending_the_first_process_ends_the_sandboxs_processes_only(
    sandbox: BubblewrapSandbox, neighbour: BubblewrapSandbox
) -> None:
    sandbox.run("kill -9 1; kill -9 $$")
    assert sandbox.run("echo again").stdout == b"again\n"


# --- network


@pytest.fixture
def listener() -> "socket.socket":
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_the_hosts_loopback_is_not_reached(sandbox: BubblewrapSandbox, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    ran = sandbox.run(f"exec 5<>/dev/tcp/127.0.0.1/{port}", timeout_s=5)
    assert ran.exit != 0
    listener.settimeout(0.05)
    with pytest.raises(TimeoutError):
        listener.accept()


def test_an_abstract_socket_of_the_host_is_not_reached(sandbox: BubblewrapSandbox) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("\0pivotgym-test-abstract")
        listening.listen()
        program = "import socket; socket.socket(socket.AF_UNIX).connect('\\0pivotgym-test-abstract')"
        ran = sandbox.run(f'/usr/bin/python3 -c "{program}"')
    if b"No such file" in ran.stderr:
        pytest.skip("this machine's own tools have no python3")
    assert b"ConnectionRefusedError" in ran.stderr


def test_there_is_no_network_but_its_own_loopback(sandbox: BubblewrapSandbox) -> None:
    assert [line.split(b":")[0].strip() for line in sandbox.run("tail -n +3 /proc/net/dev").stdout.splitlines()] == [
        b"lo"
    ]


def test_network_takes_the_servers_leave(
    backend: BubblewrapBackend, start: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIVOTGYM_SANDBOX_NETWORK", raising=False)
    assert not backend.capabilities().network
    with pytest.raises(InputError, match=r"allows none to sandboxes.*PIVOTGYM_SANDBOX_NETWORK=1"):
        backend.open(start, network=True)


def test_network_is_the_hosts_where_it_is_given(
    backend: BubblewrapBackend, start: Snapshot, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIVOTGYM_SANDBOX_NETWORK", "1")
    sandbox = backend.open(start, network=True)
    ran = sandbox.run(f"exec 5<>/dev/tcp/127.0.0.1/{listener.getsockname()[1]}; echo $?")
    sandbox.close()
    assert ran.stdout == b"0\n"


# --- the shell's own pipes


@pytest.mark.parametrize(
    "command",
    [
        'for n in {3..300}; do eval "exec $n>&-"; done',
        'for n in {3..300}; do eval "exec $n<&-"; done 2>/dev/null',
        "for f in /proc/$$/fd/*; do head -c 100 /dev/urandom > $f; done 2>/dev/null",
        "for f in /proc/$$/fd/*; do timeout 0.1 cat $f; done 2>/dev/null",
        "kill -STOP $$",
        "exec 1>&- 2>&-",
    ],
)
def test_harm_to_the_control_pipe_costs_the_shell_at_most(
    sandbox: BubblewrapSandbox, neighbour: BubblewrapSandbox, command: str
) -> None:
    sandbox.run(command, timeout_s=1.5)
    again = [sandbox.run("echo again", timeout_s=3) for _ in range(3)]
    assert b"again\n" in {ran.stdout for ran in again} or command == "exec 1>&- 2>&-"


def test_closing_from_another_thread_ends_a_running_command(sandbox: BubblewrapSandbox) -> None:
    timer = threading.Timer(0.3, sandbox.close)
    timer.start()
    ran = sandbox.run("exec -a outliving-four sleep 15")
    timer.join()
    assert ran.exit != 0
    assert not host_pids("outliving-four")
