"""Find in a repository's history when a file was removed, and bring it back on a branch."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

from pivotgym.envs.terminal.tasks.checks import Prints
from pivotgym.envs.terminal.tasks.model import Exercise, Family, Start
from pivotgym.envs.terminal.tasks.words import PEOPLE, PROJECTS, SERVICES, THINGS, prose, some, token

_GIT = "git -c core.fsmonitor=false -c core.hooksPath=/dev/null -c log.showSignature=false -C"


def make(random: Random) -> Exercise:
    """The file was changed several times before it went, so that only one of its versions is the right one."""
    repo, person = f"/srv/{random.choice(PROJECTS)}", random.choice(PEOPLE)
    service, other = some(random, SERVICES, 2)
    lost, branch = f"conf/{service}.ini", f"restore-{service}"
    versions = [f"[{service}]\nport = {random.randint(2000, 9999)}\nkey = {token(random)}\n" for _ in range(3)]
    things = some(random, THINGS, 5)
    setup = _history(random, repo, person, lost, versions, other, things)
    last = versions[-1]
    removal = f"{_GIT} {repo} log --diff-filter=D --format=%H main -- {lost}"
    return Exercise(
        instruction=(
            f"In the git repository {repo} the file {lost} was removed some commits ago, which was a mistake. Write "
            f"the full id of the commit that removed it to /root/removed.txt. Then make a branch {branch} from main, "
            "put the file back there as it was right before that commit, and commit it with the message `Restore "
            f"{service}`, with no other changes. Leave main where it is, and leave {branch} checked out with nothing "
            "uncommitted."
        ),
        start=Start(setup=setup, cwd=repo),
        checks=(
            Prints(
                "removed", f'test "$(tr -d "[:space:]" < /root/removed.txt)" = "$({removal})" && echo found', "found"
            ),
            Prints("file", f"{_GIT} {repo} cat-file blob {branch}:{lost}", last),
            Prints("message", f"{_GIT} {repo} log --format=%s main..{branch}", f"Restore {service}"),
            Prints("only that", f"{_GIT} {repo} diff --no-ext-diff --name-status main {branch}", f"A\t{lost}"),
            Prints("main", f"{_GIT} {repo} log --format=%s,%an,%at,%ct main", _log(things, person, service, other)),
            Prints("clean", f"{_GIT} {repo} status --porcelain --branch --untracked-files=all", f"## {branch}"),
        ),
        gold=(
            f"cd {repo} && git log --oneline --stat -- {lost}",
            f"git log --diff-filter=D --format=%H -- {lost} | tee /root/removed.txt",
            f"git checkout -b {branch} && git checkout $(cat /root/removed.txt)^ -- {lost} && cat {lost}",
            f"git commit -q -m 'Restore {service}' && git status && git log --format=%s -3",
        ),
        alternative=(
            f"cd {repo}; for c in $(git rev-list main); do git cat-file -e $c:{lost} 2>/dev/null && break; gone=$c; "
            "done; echo $gone > /root/removed.txt",
            f"git switch -q -c {branch}; mkdir -p conf; git show $(cat /root/removed.txt)~1:{lost} > {lost}; "
            f"git add -A; git commit -q -m 'Restore {service}'",
        ),
        cheats={
            "restores the first version": (
                f"cd {repo}; git log --diff-filter=D --format=%H -- {lost} > /root/removed.txt; git checkout -q -b "
                f"{branch}",
                f"git checkout $(git log --diff-filter=A --format=%H main -- {lost} | tail -n 1) -- {lost}; "
                f"git commit -qm 'Restore {service}'",
            ),
            "commits on main": (
                f"cd {repo}; git log --diff-filter=D --format=%H -- {lost} > /root/removed.txt",
                f"git checkout $(cat /root/removed.txt)^ -- {lost} && git commit -qm 'Restore {service}' && git "
                f"checkout -qb {branch}",
            ),
            "rewrites history": (
                f"cd {repo}; git log --diff-filter=D --format=%H -- {lost} > /root/removed.txt",
                f"git checkout -q -b {branch} && git reset -q --hard $(cat /root/removed.txt)^",
            ),
        },
    )


def _subjects(things: list[str], service: str, other: str) -> list[str]:
    """Oldest first."""
    return [
        "First version",
        f"Add {service}",
        f"Write about {things[0]}",
        f"Change the port of {service}",
        f"New key for {service}",
        f"Add {other}",
        f"Tidy up {things[1]}",
        f"Write about {things[2]}",
    ]


def _log(things: list[str], person: str, service: str, other: str) -> str:
    """What `git log --format=%s,%an,%at,%ct main` prints."""
    subjects = _subjects(things, service, other)
    times = [int(_day(number).timestamp()) for number in range(len(subjects))]
    rows = [f"{subject},{person},{time},{time}\n" for subject, time in zip(subjects, times, strict=True)]
    return "".join(reversed(rows))


def _day(number: int) -> datetime:
    return datetime(2024, 2, 3 + number, 10, tzinfo=UTC)


def _history(
    random: Random, repo: str, person: str, lost: str, versions: list[str], other: str, things: list[str]
) -> str:
    writes: list[dict[str, str | None]] = [
        {"README.md": prose(random, 5)},
        {lost: versions[0]},
        {f"doc/{things[0]}.md": prose(random, 4)},
        {lost: versions[1]},
        {lost: versions[2]},
        {f"conf/{other}.ini": f"[{other}]\nport = {random.randint(2000, 9999)}\n"},
        {lost: None, f"doc/{things[0]}.md": prose(random, 3)},
        {f"doc/{things[2]}.md": prose(random, 4)},
    ]
    service = lost.partition("/")[2].removesuffix(".ini")
    lines = [
        f"set -e; mkdir -p {repo}; cd {repo}; git init -q -b main",
        f"git config user.name {person}; git config user.email {person}@example.org",
    ]
    for number, (subject, files) in enumerate(zip(_subjects(things, service, other), writes, strict=True)):
        for path, text in files.items():
            if text is None:
                lines.append(f"git rm -q {path}")
            else:
                lines.append(f"mkdir -p $(dirname {path}); cat > {path} <<'EOF'\n{text}EOF")
        date = _day(number).isoformat()
        lines.append(f"git add -A; GIT_AUTHOR_DATE={date} GIT_COMMITTER_DATE={date} git commit -q -m '{subject}'")
    return "\n".join(lines) + "\n"


FAMILY = Family("git_restore", make, needs=("git",))
