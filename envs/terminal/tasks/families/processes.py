"""Write a control script for a background worker: start, stop, status, with a file that holds its process id."""

from __future__ import annotations

from random import Random

from pivotgym.envs.terminal.tasks.checks import Check, Prints
from pivotgym.envs.terminal.tasks.model import Exercise, Family, Start
from pivotgym.envs.terminal.tasks.words import SERVICES, token

_GOLD = """#!/bin/bash
pidfile={pidfile}
running() {{ [ -s $pidfile ] && kill -0 "$(cat $pidfile)" 2>/dev/null; }}
case "$1" in
  start)
    if running; then echo "already running"; exit 1; fi
    nohup {worker} > /dev/null 2>&1 < /dev/null &
    echo $! > $pidfile
    echo started ;;
  stop)
    if ! running; then rm -f $pidfile; echo "not running"; exit 1; fi
    pid=$(cat $pidfile); kill $pid
    while kill -0 $pid 2>/dev/null; do sleep 0.05; done
    rm -f $pidfile
    echo stopped ;;
  status)
    if running; then echo running; else echo stopped; exit 3; fi ;;
esac
"""
_OTHER = """#!/usr/bin/python3
import os, pathlib, signal, subprocess, sys, time
held = pathlib.Path("{pidfile}")
def alive(pid):
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
pid = int(held.read_text()) if held.exists() else 0
up = pid > 0 and alive(pid)
def say(text, code):
    print(text)
    sys.exit(code)
if sys.argv[1] == "status":
    say("running" if up else "stopped", 0 if up else 3)
if sys.argv[1] == "start":
    if up:
        say("already running", 1)
    nul = subprocess.DEVNULL
    child = subprocess.Popen(["{worker}"], stdin=nul, stdout=nul, stderr=nul, start_new_session=True)
    held.write_text(str(child.pid))
    say("started", 0)
if up:
    os.kill(pid, signal.SIGTERM)
    while alive(pid):
        time.sleep(0.05)
held.unlink(missing_ok=True)
say("stopped" if up else "not running", 0 if up else 1)
"""
_FAKE = """#!/bin/bash
case "$1" in
  start) [ -e {pidfile} ] && {{ echo "already running"; exit 1; }}; echo $$ > {pidfile}; echo started ;;
  stop) [ -e {pidfile} ] || {{ echo "not running"; exit 1; }}; rm {pidfile}; echo stopped ;;
  status) [ -e {pidfile} ] && echo running || {{ echo stopped; exit 3; }} ;;
esac
"""


def make(random: Random) -> Exercise:
    """The worker is there; the script that controls it is asked for."""
    service = random.choice(SERVICES)
    name = f"{service}-{token(random, 3)}"
    folder = f"/opt/{name}"
    beat, ctl, pidfile, worker = f"{folder}/beat", f"{folder}/ctl", f"{folder}/{service}.pid", f"{folder}/worker.sh"
    pause = random.choice(["0.1", "0.2"])
    script = (
        f"#!/bin/bash\n# The {service} worker: shows that it lives until somebody ends it.\n"
        f"while true; do date +%s%N > {beat}; sleep {pause}; done\n"
    )
    words = {"pidfile": pidfile, "worker": worker}
    gold = _GOLD.format(**words)
    return Exercise(
        instruction=(
            f"{worker} is a worker that runs until it is ended. Write an executable script {ctl} that controls it, in "
            "any language that is installed here:\n"
            f"- `{ctl} start` starts the worker in the background, writes its process id to {pidfile} and prints "
            "`started`; if it runs already, it prints `already running` and exits with status 1;\n"
            f"- `{ctl} stop` ends the worker, waits until it is gone, removes {pidfile} and prints `stopped`; if it "
            "does not run, it prints `not running` and exits with status 1;\n"
            f"- `{ctl} status` prints `running` and exits with 0, or prints `stopped` and exits with status 3.\n"
            f"A {pidfile} that names a process which is no longer there counts as not running. The worker must go on "
            "when the script has ended, and must not write to the terminal. Do not change the worker, and do not "
            "leave it running."
        ),
        start=Start(files={worker: script}, modes={worker: 0o755}, cwd=folder),
        checks=_checks(folder, ctl, pidfile, beat, worker, script),
        gold=(
            f"cd {folder} && ls && cat worker.sh",
            f"cat > {ctl} <<'EOF'\n{gold}EOF\nchmod +x {ctl}",
            # In one command: what still runs at the end of a turn is not part of a state, and whether the worker came
            # to its first beat is chance.
            "for do in status start start status stop status stop; "
            f"do {ctl} $do; echo $?; done; sleep 0.2; rm -f {beat}",
            "ls",
        ),
        alternative=(f"cat > {ctl} <<'EOF'\n{_OTHER.format(**words)}EOF", f"chmod 755 {ctl}"),
        cheats={
            "never waits nor ends it": (
                f"cat > {ctl} "
                f"<<'EOF'\n{gold.replace('kill $pid', ':').replace('while kill -0 $pid', 'while false')}EOF",
                f"chmod +x {ctl}",
            ),
            "prints the words only": (f"cat > {ctl} <<'EOF'\n{_FAKE.format(**words)}EOF", f"chmod +x {ctl}"),
        },
    )


def _checks(folder: str, ctl: str, pidfile: str, beat: str, worker: str, script: str) -> tuple[Check, ...]:
    call = (
        f"test -x {ctl} || exit 1; cd /tmp; "
        f'call() {{ {ctl} $1 < /dev/null > /tmp/said 2> /dev/null; echo "$? $(cat /tmp/said)"; }}'
    )
    # The worker is known by its heartbeat and by its command line, not by what the script says.
    # Just after a start a busy machine may show the script's own line there: the worker is not executed yet.
    lives = (
        f"p=$(cat {pidfile}); for i in $(seq 30); do n=$(tr '\\0' ' ' < /proc/$p/cmdline | grep -c worker.sh); "
        'test "$n" = 0 || break; sleep 0.1; done; echo $n'
    )
    beats = f"rm -f {beat}; for i in $(seq 20); do sleep 0.1; test -s {beat} && echo beats && break; done"
    silent = f"rm -f {beat}; sleep 0.8; test -s {beat} || echo silent"
    return (
        Prints(
            "starts",
            f"{call}; rm -f {pidfile}; call status; call start; {lives}; {beats}; call start; call status",
            "3 stopped\n0 started\n1\nbeats\n1 already running\n0 running\n",
        ),
        Prints(
            "stops",
            f"{call}; rm -f {pidfile}; call start; p=$(cat {pidfile}); call stop; kill -0 $p 2>/dev/null && echo "
            f"there; {silent}; test -e {pidfile} && echo left; call status; call stop; call start",
            "0 started\n0 stopped\nsilent\n3 stopped\n1 not running\n0 started\n",
        ),
        Prints(
            "knows a stale file",
            f"{call}; sleep 0 & p=$!; wait $p; echo $p > {pidfile}; call status; call start; {lives}; {beats}",
            "3 stopped\n0 started\n1\nbeats\n",
        ),
        Prints("worker", f"cat {worker}", script),
    )


FAMILY = Family("processes", make, needs=("python3",))
