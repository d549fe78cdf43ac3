"""Count in a web server's log, and write the result in a given form."""

from __future__ import annotations

from collections import Counter
from random import Random

from pivotgym.envs.terminal.tasks.checks import TextIs
from pivotgym.envs.terminal.tasks.model import Exercise, Family, Start
from pivotgym.envs.terminal.tasks.words import SERVICES, THINGS, some


def make(random: Random) -> Exercise:
    """The clients with the most failures, and the bytes of one path, over a log and the one before it."""
    service, top = random.choice(SERVICES), random.randint(3, 5)
    paths = [f"/{thing}" for thing in some(random, THINGS, 5)]
    addresses = [f"10.{random.randint(0, 9)}.{random.randint(0, 255)}.{random.randint(1, 254)}" for _ in range(12)]
    rows = [_row(random, addresses, paths) for _ in range(random.randint(150, 220))]
    failures = Counter(address for address, _, status, _ in rows if status >= 500)
    worst = sorted(failures.items(), key=lambda item: (-item[1], item[0]))[:top]
    wanted = random.choice(paths)
    total = sum(size for _, path, status, size in rows if path == wanted and status == 200)
    folder, report = f"/var/log/{service}", "/root/report.txt"
    half = len(rows) // 2
    logs = {f"{folder}/access.log.1": _log(random, rows[:half]), f"{folder}/access.log": _log(random, rows[half:])}
    text = "".join(f"{count} {address}\n" for address, count in worst) + f"bytes {total}\n"
    program = (
        '$9 >= 500 { bad[$1]++ } $9 == 200 && $7 == "' + wanted + '" { sum += $10 } '
        'END { for (one in bad) print bad[one], one; print "bytes", sum > "/tmp/bytes" }'
    )
    return Exercise(
        instruction=(
            f"{folder} holds the web server's log in two parts, access.log.1 (older) and access.log. Over both "
            f"together, find the {top} client addresses with the most responses of status 500 or above. Write to "
            f"{report} one line for each, `count address`, the highest count first, and addresses with equal counts "
            "in ascending order as text. After these lines write one more, `bytes N`, where N is the sum of the "
            f"sizes of all responses with status 200 for the path {wanted} (exactly this path). Leave the logs as "
            "they are."
        ),
        start=Start(files=logs),
        checks=(
            TextIs("report", report, text, any_blanks=True),
            *(TextIs(path.rpartition("/")[2], path, content, exact=True) for path, content in logs.items()),
        ),
        gold=(
            f"wc -l {folder}/*; head -n 3 {folder}/access.log",
            f"cat {folder}/access.log.1 {folder}/access.log | awk '{program}' > /tmp/counts; wc -l /tmp/counts",
            f"LC_ALL=C sort -k1,1nr -k2,2 /tmp/counts | head -n {top} > {report}; cat {report}",
            f"cat /tmp/bytes >> {report} && cat {report}",
        ),
        alternative=(
            f"""python3 - <<'EOF'
import collections, re
bad, size = collections.Counter(), 0
for name in ("access.log", "access.log.1"):
    for line in open("{folder}/" + name):
        address, path, status, count = re.match(r'(\\S+) .*"\\w+ (\\S+) [^"]*" (\\d+) (\\d+)', line).groups()
        bad[address] += int(status) >= 500
        size += int(count) * (path == "{wanted}" and status == "200")
with open("{report}", "w") as out:
    for address, count in sorted(bad.items(), key=lambda item: (-item[1], item[0]))[:{top}]:
        print(count, address, file=out)
    print("bytes", size, file=out)
EOF""",
        ),
        cheats={
            "reads one log only": (
                f"awk '{program}' {folder}/access.log | LC_ALL=C sort -k1,1nr -k2,2 | head -n {top} > {report}",
                f"cat /tmp/bytes >> {report}",
            ),
            "empties the logs": (f": > {folder}/access.log; : > {folder}/access.log.1; echo 'bytes 0' > {report}",),
        },
    )


def _row(random: Random, addresses: list[str], paths: list[str]) -> tuple[str, str, int, int]:
    weights = range(1, len(addresses) + 1)
    status = random.choices([200, 304, 404, 500, 502, 503], weights=[8, 1, 2, 2, 1, 1])[0]
    path = random.choice(paths) + random.choice(["", "", "", "/more", "-old"])
    return random.choices(addresses, weights=weights)[0], path, status, random.randint(200, 9000)


def _log(random: Random, rows: list[tuple[str, str, int, int]]) -> str:
    day = random.randint(1, 27)
    return "".join(
        f"{address} - - [{day:02}/Mar/2024:{place // 60 % 24:02}:{place % 60:02}:{random.randint(0, 59):02} +0000] "
        f'"GET {path} HTTP/1.1" {status} {size}\n'
        for place, (address, path, status, size) in enumerate(rows)
    )


FAMILY = Family("logs", make, needs=("awk", "python3"))
