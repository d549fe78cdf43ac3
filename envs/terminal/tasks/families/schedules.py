"""Change a crontab as somebody asks for; what counts is when each command would run, not how that is written."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from random import Random

from pivotgym.envs.sandbox.contract import Sandbox
from pivotgym.envs.terminal.tasks.checks import Check, Matches
from pivotgym.envs.terminal.tasks.model import Exercise, Family, Start
from pivotgym.envs.terminal.tasks.words import PROJECTS, SERVICES, some

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_MONTHS = {calendar.month_abbr[number].lower(): number for number in range(1, 13)}
_SHORT = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0"}
Times = tuple[frozenset[int], ...]


@dataclass(frozen=True)
class CrontabIs(Check):
    """A crontab runs exactly the same commands at the same times as another, in any order.

    Attributes:
        path: Absolute.
        text: The other crontab.
    """

    path: str
    text: str

    def holds(self, sandbox: Sandbox) -> bool:
        """See `Check`."""
        content = sandbox.read(self.path)
        if content is None:
            return False
        try:
            return jobs(content.decode("utf-8", "surrogateescape")) == jobs(self.text)
        except ValueError:
            return False


def jobs(crontab: str) -> list[tuple[str, Times]]:
    """Each command with the minutes, hours, days, months and weekdays (Sunday is 0) at which it runs, sorted.

    Raises:
        ValueError: If a line is none that cron accepts.
    """
    found = []
    for line in crontab.splitlines():
        text = line.strip()
        if not text or text.startswith("#") or re.match(r"\w+\s*=", text):
            continue
        first, _, rest = text.partition(" ")
        fields = (_SHORT.get(first, "") + " " + rest if first in _SHORT else text).split(None, 5)
        if len(fields) < 6:
            raise ValueError(f"crontab: expected five times and a command, got {text!r}")
        found.append(
            (" ".join(fields[5].split()), tuple(_times(field, place) for place, field in enumerate(fields[:5])))
        )
    return sorted(found, key=lambda job: (job[0], [sorted(times) for times in job[1]]))


def _times(field: str, place: int) -> frozenset[int]:
    low, high = _RANGES[place]
    found: set[int] = set()
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin, end = (low, high) if span == "*" else (_number(first, place), _number(last or first, place))
        if step and span != "*" and not last:
            end = high
        if not low <= begin <= end <= high or (step and int(step) < 1):
            raise ValueError(f"crontab: expected numbers from {low} to {high}, got {part!r}")
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(number % 7 for number in found) if place == 4 else frozenset(found)


def _number(text: str, place: int) -> int:
    names = _MONTHS if place == 3 else _DAYS if place == 4 else {}
    return names[text] if text in names else int(text)


def make(random: Random) -> Exercise:
    """One job moves, one is taken out, one is added, the rest stays."""
    path = f"/srv/{random.choice(PROJECTS)}/crontab"
    moved, removed, added, *rest = some(random, SERVICES, 7)
    hour, late = random.randint(1, 5), random.randint(19, 23)
    minute, step, user = (
        random.choice([5, 10, 20, 35, 50]),
        random.choice([10, 15, 20]),
        random.choice(["night", "full"]),
    )
    day, name = random.choice([(1, "Monday"), (3, "Wednesday"), (6, "Saturday"), (0, "Sunday")])
    old = f"{random.randint(0, 59)} {hour} * * *"
    stay = [
        f"{random.randint(0, 59)} */{random.choice([2, 3, 4])} * * * /usr/local/bin/{one} --sync" for one in rest[:2]
    ]
    stay += [f"30 {random.randint(6, 11)} 1,15 * * /usr/local/bin/{rest[2]} --report {user}"]
    stay += [f"{random.randint(0, 59)} {hour} * * 1-5 /usr/local/bin/{rest[3]} --report"]
    move, remove = f"/usr/local/bin/{moved} --backup", f"/usr/local/bin/{removed} --sync"
    add = f"/usr/local/bin/{added} --check"
    lines = [
        "SHELL=/bin/bash",
        "# jobs",
        stay[0],
        f"{old} {move}",
        stay[1],
        f"*/5 * * * * {remove}",
        "# reports",
        *stay[2:],
    ]
    new = [f"{minute} {late} * * {day} {move}", f"*/{step} 8-17 * * 1-5 {add}"]
    due = "\n".join([*stay, *new]) + "\n"
    every = ",".join(str(value) for value in range(0, 60, step))
    return Exercise(
        instruction=(
            f"Change the crontab {path} (five time fields and the command in each line, no user field):\n"
            f"- `{move}` now runs once a week only, on {name} at {late}:{minute:02};\n"
            f"- the job of {removed} is no longer needed: it must not run any more;\n"
            f"- new: `{add}` runs from Monday to Friday, every {step} minutes from 8:00 on, the last time at "
            f"17:{60 - step}.\n"
            "All other jobs run as before."
        ),
        start=Start(files={path: "\n".join(lines) + "\n"}, cwd=path.rpartition("/")[0]),
        checks=(CrontabIs("jobs", path, due), Matches("shell", path, r"^\s*SHELL\s*=\s*/bin/bash\s*$")),
        gold=(
            f"cat {path}",
            f"sed -i 's|^{_plain(old)} {move}$|{new[0]}|' {path} && grep -n backup {path}",
            f"sed -i '\\|{remove}$|d' {path}",
            f"echo '{new[1]}' >> {path} && cat {path}",
        ),
        alternative=(
            f"grep -v -e '{moved} --backup' -e '{remove}' {path} > /tmp/jobs",
            f"{{ echo '{minute}  {late}\t* * {name[:3].lower()} {move}'; echo '{every} 8,9,10-17 * * mon-fri {add}'; "
            f"echo '#*/5 * * * * {remove}'; cat /tmp/jobs; }} > {path}",
        ),
        cheats={
            "adds and leaves the old": (f"printf '%s\\n' '{new[0]}' '{new[1]}' >> {path}",),
            "every day": (
                f"sed -i -e 's|^{_plain(old)} {move}$|{minute} {late} * * * {move}|' -e '\\|{remove}$|d' {path}",
                f"echo '{new[1]}' >> {path}",
            ),
            "only the new jobs": (f"printf '%s\\n' '{new[0]}' '{new[1]}' > {path}",),
        },
    )


def _plain(text: str) -> str:
    return text.replace("*", "\\*")


FAMILY = Family("schedules", make, needs=("sed", "grep"))
