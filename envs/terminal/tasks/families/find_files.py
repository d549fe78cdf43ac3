"""Find files by kind and size, move them with their folders, count them."""

from __future__ import annotations

from random import Random

from pivotgym.envs.terminal.tasks.checks import TextIs, TreeIs
from pivotgym.envs.terminal.tasks.model import Exercise, Family, Start
from pivotgym.envs.terminal.tasks.words import PROJECTS, THINGS, some, token

_KINDS = ("log", "txt", "dat", "tmp")


def make(random: Random) -> Exercise:
    """Files of one extension above a size are to be moved; their names hold blanks and other traps."""
    project, kind = random.choice(PROJECTS), random.choice(_KINDS)
    limit = random.randrange(600, 1500, 50)
    root, large = f"/srv/{project}", f"/srv/{project}-large"
    files = _files(random, kind, limit)
    moved = {path: text for path, text in files.items() if path.endswith(f".{kind}") and len(text) > limit}
    kept = {path: text for path, text in files.items() if path not in moved}
    return Exercise(
        instruction=(
            f"Below {root} there are .{kind} files of different sizes, in several folders. Move every .{kind} file "
            f"that is larger than {limit} bytes to {large}, each into the same folder as before: {root}/a/b.{kind} "
            f"becomes {large}/a/b.{kind}. All other files stay where they are. Then write how many files you moved, "
            f"as a number and nothing else, to {large}/COUNT."
        ),
        start=Start(files={f"{root}/{path}": text for path, text in files.items()}, cwd="/srv"),
        checks=(
            TreeIs("moved", large, {**moved, "COUNT": None}),
            TreeIs("kept", root, kept),
            TextIs("count", f"{large}/COUNT", str(len(moved))),
        ),
        gold=(
            f"find {root} -type f -name '*.{kind}' -size +{limit}c -printf '%s %P\\n' | sort -n",
            f"mkdir -p {large} && cd {root} && find . -type f -name '*.{kind}' -size +{limit}c -print0 > /tmp/moving",
            f'xargs -0 -I@ sh -c \'mkdir -p "{large}/$(dirname "$1")" && mv "$1" "{large}/$1"\' _ @ < /tmp/moving',
            f"moved=$(find {large} -type f | wc -l); echo $moved | tee {large}/COUNT",
            f"find {root} {large} -type f -printf '%s %p\\n' | sort -k2",
        ),
        alternative=(
            f"""python3 - <<'EOF'
import pathlib
count = 0
for path in sorted(pathlib.Path("{root}").rglob("*.{kind}")):
    if path.is_file() and path.stat().st_size > {limit}:
        target = pathlib.Path("{large}") / path.relative_to("{root}")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
        count += 1
pathlib.Path("{large}/COUNT").write_text(str(count))
EOF""",
        ),
        cheats={
            "moves all sizes": (
                f"mkdir -p {large} && cd {root} && find . -name '*.{kind}' -exec cp --parents -t {large} {{}} + "
                f"&& find . -name '*.{kind}' -delete",
                f"echo {len(moved)} > {large}/COUNT",
            ),
            "copies and leaves": (
                f"mkdir -p {large} && cd {root} && "
                f"find . -name '*.{kind}' -size +{limit}c -exec cp --parents -t {large} {{}} +",
                f"echo {len(moved)} > {large}/COUNT",
            ),
        },
    )


def _files(random: Random, kind: str, limit: int) -> dict[str, str]:
    names = some(random, THINGS, 12)
    folders = ["", "old/", "old/deep/", f"{token(random)}/", "with blank/"]
    others = [other for other in (*_KINDS, "csv") if other != kind]
    files = {}
    for place, name in enumerate(names):
        wanted, big = place % 3 != 2, place % 2 == 0
        size = random.randint(limit + 1, limit * 2) if big else random.randint(20, limit - 20)
        ending = kind if wanted else random.choice(others)
        files[f"{random.choice(folders)}{name}.{ending}"] = _text(random, size)
    files[f"exactly {limit}.{kind}"] = _text(random, limit)
    files[f"with blank/{names[0]} {names[1]}.{kind}"] = _text(random, limit + 1)
    files[f"old/{names[2]}.{kind}.bak"] = _text(random, limit * 2)
    return files


def _text(random: Random, size: int) -> str:
    line = " ".join(some(random, THINGS, 6)) + "\n"
    return (line * (size // len(line) + 1))[: size - 1] + "\n"


FAMILY = Family("find_files", make, needs=("find", "python3"))
