"""What a policy sees of a command, and what of it must come back when a recording is replayed.

Owns: the text of an observation, and the rules by which a recorded one is normalised. Does not own: running commands.

A recording was made on another machine at another time, often with standard output and error in one stream. So the
replay is compared line by line in any order (folders are listed in the order of the file system; the two streams mix by
chance), and what names the moment or the machine is masked. Each rule of `_MASKS` says what it masks.
"""

from __future__ import annotations

import re

from pivotgym.envs.sandbox.contract import Ran
from pivotgym.envs.sandbox.effects import shown

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_MASKS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.MULTILINE), mask)
    for pattern, mask in (
        # colours and cursor movements
        (r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07", ""),
        # who reports a shell's error, at which line of what it was given
        (r"^(?:/(?:usr/)?bin/)?(?:ba|da)?sh: (?:-c: )?(?:line \d+: )?", "sh: "),
        # blocks of a folder: a matter of the file system
        (r"^total \d+(?:\.\d+)?[KMG]?$", "total <blocks>"),
        # a folder's link count and size in `ls -l`
        (r"^(d[rwxsStT-]{9}[.+@]?) +\d+ +(\S+) +(\S+) +\S+ ", r"\1 <links> \2 \3 <size> "),
        # dates and times: ISO, `ls -l`, `date`, clock times
        (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?)?", "<time>"),
        (
            rf"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +)?{_MONTH} +\d\d? +\d\d?:\d\d(?::\d\d)?(?: \w+)? \d{{4}}\b",
            "<time>",
        ),
        (rf"\b{_MONTH} +\d\d? +(?:\d\d?:\d\d(?::\d\d)?|\d{{4}})", "<time>"),
        (r"\b\d\d?:\d\d:\d\d(?:\.\d+)?\b", "<time>"),
        # how long something took
        (r"\b\d+(?:\.\d+)? ?(?:ms|s|sec|secs|seconds)\b|\b\d+m\d+\.\d+s\b", "<duration>"),
        # a background job's process
        (r"^(\[\d+\]) \d+$", r"\1 <pid>"),
        # addresses in memory
        (r"\b0x[0-9a-fA-F]{6,16}\b", "<address>"),
        # the host in a prompt
        (r"\b([a-z_][\w-]*)@[\w.-]+:", r"\1@<host>:"),
    )
)


def observation(ran: Ran, *, status: bool, limit_s: float) -> str:
    """What the policy sees: standard output, then standard error, then how it ended where that is news.

    Args:
        ran: What the command gave.
        status: Whether an exit status other than 0 is told, as a last line `[exit status N]`.
        limit_s: Wall time the command had, for the message of one that took longer.
    """
    out, err = shown(ran.stdout), shown(ran.stderr)
    text = out + ("\n" if out and err and not out.endswith("\n") else "") + err
    end = _end(ran, limit_s) if ran.ended or (status and ran.exit) else ""
    return text + ("\n" if end and text and not text.endswith("\n") else "") + end


def _end(ran: Ran, limit_s: float) -> str:
    if ran.ended == "time":
        return f"[ended after {limit_s:g} s: the command took longer than its time limit]\n"
    if ran.ended:
        return f"[ended by the limit on {ran.ended}]\n" if ran.ended != "died" else "[ended with its shell]\n"
    return f"[exit status {ran.exit}]\n"


def normalised(text: str) -> str:
    """What of an observation must come back: its lines, sorted, white space evened, what is volatile masked."""
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    lines = (re.sub(r"\s+", " ", line).strip() for line in text.splitlines())
    return "\n".join(sorted(line for line in lines if line))
