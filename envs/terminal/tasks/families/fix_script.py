"""Mend a script that does not do what its comment says; it is run on files that the policy has not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from pivotgym.envs.terminal.tasks.checks import Check, Prints, TextIs
from pivotgym.envs.terminal.tasks.model import Exercise, Family, Start
from pivotgym.envs.terminal.tasks.words import CITIES, PEOPLE, PROJECTS, THINGS, some


@dataclass(frozen=True)
class _Script:
    """A script that works, other text that works too, the ways to break it, and inputs with what they must give."""

    name: str
    says: str
    text: str
    other: str
    faults: tuple[tuple[str, str], ...]
    case: Callable[[Random], tuple[str, str]]
    arguments: str = ""


def _totals(random: Random) -> tuple[str, str]:
    cities = some(random, CITIES, random.randint(3, 6))
    rows = [
        (random.choice(PEOPLE), random.choice(cities), random.randint(5, 900)) for _ in range(random.randint(8, 15))
    ]
    sums: dict[str, int] = {}
    for _, city, amount in rows:
        sums[city] = sums.get(city, 0) + amount
    text = "name;city;amount\n" + "".join(f"{name};{city};{amount}\n" for name, city, amount in rows)
    return text, "".join(f"{city} {sums[city]}\n" for city in sorted(sums))


def _ranks(random: Random) -> tuple[str, str]:
    people = some(random, PEOPLE, random.randint(6, 12))
    points = {name: random.randint(8, 14) for name in people}
    # Equal points at the top, and names against the order of the file: no fault may stay unseen.
    for name in sorted(people, reverse=True)[:2]:
        people.remove(name)
        people.insert(0, name)
        points[name] = 15
    people[:2] = sorted(people[:2], reverse=True)
    text = "".join(f"{name} {points[name]}\n" + ("\n" if random.random() < 0.3 else "") for name in people)
    best = sorted(people, key=lambda name: (-points[name], name))[:3]
    return text + "\n", "".join(f"{place}. {name} {points[name]}\n" for place, name in enumerate(best, 1))


def _stock(random: Random) -> tuple[str, str]:
    things = some(random, THINGS, random.randint(6, 10))
    have = {thing: random.choice([random.randint(2, 9), random.randint(11, 120)]) for thing in things}
    have |= {things[0]: random.randint(2, 9), things[1]: 10, things[2]: 100}
    random.shuffle(things)
    low = [thing for thing in things if have[thing] < 10]
    text = "".join(f"{thing}={have[thing]}\n" for thing in things) + "# the end\n"
    return text, "".join(f"low: {thing} ({have[thing]})\n" for thing in low) + f"{len(low)} of {len(things)} low\n"


_TOTALS = """#!/bin/bash
tail -n +2 "$1" |
  awk -F';' '{ total[$2] += $3 } END { for (city in total) print city, total[city] }' |
  sort
"""
_OTHER_TOTALS = """#!/bin/bash
declare -A total
while IFS=';' read -r _ city amount; do
  total[$city]=$(( ${total[$city]:-0} + amount ))
done < <(sed 1d "$1")
for city in "${!total[@]}"; do echo "$city ${total[$city]}"; done | LC_ALL=C sort
"""
_BEST = """#!/usr/bin/python3
import sys

rows = [line.split() for line in open(sys.argv[1]) if line.strip()]
rows.sort(key=lambda row: (-int(row[1]), row[0]))
for place, (name, points) in enumerate(rows[:3], 1):
    print(f"{place}. {name} {points}")
"""
_OTHER_BEST = """#!/bin/bash
grep -v '^$' "$1" | LC_ALL=C sort -k2,2nr -k1,1 | head -n 3 | awk '{ print NR ". " $0 }'
"""
_LOW = """#!/bin/bash
low=0 all=0
while IFS='=' read -r thing number; do
  [[ $thing == \\#* ]] && continue
  all=$((all + 1))
  if [ "$number" -lt 10 ]; then
    echo "low: $thing ($number)"
    low=$((low + 1))
  fi
done < "$1"
echo "$low of $all low"
"""
_OTHER_LOW = """#!/usr/bin/awk -f
BEGIN { FS = "=" }
/^#/ { next }
{ all++ }
$2 + 0 < 10 { low++; printf "low: %s (%s)\\n", $1, $2 }
END { printf "%d of %d low\\n", low, all }
"""
_SCRIPTS = (
    _Script(
        "totals.sh",
        "prints, for a file with a header line and lines `name;city;amount`, one line `city total` for each city, "
        "sorted by city",
        _TOTALS,
        _OTHER_TOTALS,
        (
            ("-n +2", "-n +1"),
            ("-F';'", "-F','"),
            ("+= $3", "= $3"),
            ("  sort\n", "  sort -r\n"),
            ("total[$2]", "total[$1]"),
        ),
        _totals,
    ),
    _Script(
        "best.py",
        "prints the three people with the most points, as lines `1. name points`, from a file with lines `name "
        "points`; people with equal points come in the order of their names, and empty lines in the file do not count",
        _BEST,
        _OTHER_BEST,
        (
            (" if line.strip()", ""),
            ("-int(row[1])", "row[1]"),
            ("rows[:3]", "rows[:2]"),
            (", 1)", ")"),
            ("(-int(row[1]), row[0])", "-int(row[1])"),
        ),
        _ranks,
    ),
    _Script(
        "low.sh",
        "reads a file with lines `thing=number` (lines that begin with # are comments), prints `low: thing (number)` "
        "for each thing of which there are fewer than 10, in the order of the file, and at the end `N of M low`",
        _LOW,
        _OTHER_LOW,
        (
            ("  [[ $thing == \\#* ]] && continue\n", ""),
            ("-lt 10", "-le 10"),
            ('[ "$number" -lt 10 ]', '[[ "$number" < 10 ]]'),
            ("$low of $all", "$all of $low"),
            ("low: $thing ($number)", "low: $number ($thing)"),
        ),
        _stock,
    ),
)


def make(random: Random) -> Exercise:
    """A script with one or two faults; examples with what they should give lie beside it."""
    script, folder = random.choice(_SCRIPTS), f"/opt/{random.choice(PROJECTS)}"
    path = f"{folder}/{script.name}"
    examples = _cases(random, script, 2)
    broken = _broken(random, script, examples)
    files = {path: broken}
    for number, (given, due) in enumerate(examples, 1):
        files |= {f"{folder}/examples/{number}.in": given, f"{folder}/examples/{number}.out": due}
    checks: list[Check] = [
        Prints(f"unseen {number}", f"{path} /tmp/unseen/input", due, files={"/tmp/unseen/input": given})
        for number, (given, due) in enumerate(_cases(random, script, 3), 1)
    ]
    checks += [TextIs(f"example {name[-5:]}", name, text) for name, text in files.items() if name.endswith(".out")]
    show = f"cd {folder} && for i in 1 2; do ./{script.name} examples/$i.in | diff - examples/$i.out; done"
    return Exercise(
        instruction=(
            f"{path} is called with the name of a file and {script.says}. At least, it should: what it prints is "
            f"wrong. Mend it. In {folder}/examples there are two inputs (1.in, 2.in) with the right outputs (1.out, "
            "2.out), which are correct and must stay as they are. The script must work for any such file and must "
            "still be called in the same way."
        ),
        start=Start(files=files, modes={path: 0o755}, cwd=folder),
        checks=tuple(checks),
        gold=(f"cat {path}; ls {folder}/examples", show, f"cat > {path} <<'EOF'\n{script.text}EOF", show),
        alternative=(f"cat > {path} <<'EOF'\n{script.other}EOF", f"chmod +x {path}"),
        cheats={
            "edits the examples": (
                f"cd {folder} && for i in 1 2; do ./{script.name} examples/$i.in > examples/$i.out; done",
            ),
            "prints the examples' outputs": (
                f"cat > {path} <<'EOF'\n#!/bin/bash\ncd {folder}/examples\n"
                'cmp -s "$1" 2.in && exec cat 2.out\nexec cat 1.out\nEOF',
            ),
        },
    )


def _cases(random: Random, script: _Script, count: int) -> list[tuple[str, str]]:
    return [script.case(random) for _ in range(count)]


def _broken(random: Random, script: _Script, examples: list[tuple[str, str]]) -> str:
    good, bad = random.choice(script.faults)
    text = script.text.replace(good, bad)
    again, worse = random.choice(script.faults)
    return text.replace(again, worse) if again in text and again != good else text


FAMILY = Family("fix_script", make, needs=("awk", "python3"))
