"""Bring text files of several encodings and line ends to UTF-8 with plain line feeds."""

from __future__ import annotations

from random import Random

from pivotgym.envs.terminal.tasks.checks import TextIs, TreeIs
from pivotgym.envs.terminal.tasks.model import Exercise, Family, Start
from pivotgym.envs.terminal.tasks.words import THINGS, some, token

_CODECS = {"ISO-8859-1": "latin-1", "UTF-16LE": "utf-16-le", "UTF-8": "utf-8", "CP1252": "cp1252"}
_PHRASES = (
    "Grüße aus Köln", "café à la crème", "mañana por la mañana", "Smørrebrød på bordet", "naïve façade", "plain "
    "words only",
    "über alle Straßen", "señor Núñez", "dîner à huit heures", "en blå ø",
)  # fmt: skip


def make(random: Random) -> Exercise:
    """An index says which encoding each file has; some are right already."""
    folder = f"/data/{token(random)}"
    names = [f"{name}.txt" for name in some(random, THINGS, 7)]
    names[2:4] = [f"old/{names[2]}", f"old/{names[3]}"]
    codecs = ["ISO-8859-1", "ISO-8859-1", "UTF-16LE", "CP1252", "UTF-8", "UTF-8", random.choice(["UTF-16LE", "CP1252"])]
    texts = {name: _text(random, codec) for name, codec in zip(names, codecs, strict=True)}
    dos = {name for name, codec in zip(names, codecs, strict=True) if random.random() < 0.4 and codec != "UTF-8"} | {
        names[4]
    }
    raw: dict[str, str | bytes] = {
        name: (texts[name].replace("\n", "\r\n") if name in dos else texts[name]).encode(_CODECS[codec])
        for name, codec in zip(names, codecs, strict=True)
    }
    index = "".join(f"{name}\t{codec}\n" for name, codec in sorted(zip(names, codecs, strict=True)))
    changed = sorted(name for name in names if raw[name] != texts[name].encode())
    same: dict[str, str | bytes | None] = {**texts}
    return Exercise(
        instruction=(
            f"The text files below {folder}/texts have different encodings; {folder}/index.tsv says which (path, tab, "
            "encoding as iconv calls it). Some of them also have DOS line ends (CR LF). Convert all of them in place "
            "to UTF-8 without a byte order mark and with plain line feeds; what they say must not change. Write the "
            "paths of the files whose bytes changed, as they stand in the index, one on each line and sorted as "
            f"bytes, to {folder}/changed.txt. Leave the index as it is, and leave no other files below {folder}/texts."
        ),
        start=Start(
            files={f"{folder}/texts/{name}": content for name, content in raw.items()} | {f"{folder}/index.tsv": index},
            cwd=folder,
        ),
        checks=(
            TreeIs("texts", f"{folder}/texts", same),
            TextIs("changed", f"{folder}/changed.txt", "\n".join(changed)),
            TextIs("index", f"{folder}/index.tsv", index, exact=True),
        ),
        gold=(
            f"cd {folder} && cat index.tsv && find texts -type f -exec sha256sum {{}} + | sort -k2 > /tmp/before",
            "while IFS=$'\\t' read -r name codec; do iconv -f $codec -t UTF-8 texts/$name | sed 's/\\r$//' > /tmp/new "
            "&& cat /tmp/new > texts/$name; done < index.tsv",
            "find texts -type f -exec sha256sum {} + | sort -k2 | diff /tmp/before - | sed -n 's|^> .* texts/||p' | "
            "LC_ALL=C sort > changed.txt; cat changed.txt",
            "grep -rlP '\\r$' texts; head -n 2 texts/*.txt",
        ),
        alternative=(
            f"""python3 - <<'EOF'
import pathlib
folder, changed = pathlib.Path("{folder}"), []
for line in (folder / "index.tsv").read_text().splitlines():
    name, codec = line.split("\\t")
    path = folder / "texts" / name
    before = path.read_bytes()
    path.write_bytes(before.decode(codec).replace("\\r\\n", "\\n").encode())
    if path.read_bytes() != before:
        changed.append(name)
(folder / "changed.txt").write_text("".join(name + "\\n" for name in sorted(changed)))
EOF""",
        ),
        cheats={
            "drops what is not ASCII": (
                f"cd {folder}/texts && for f in $(find . -type f); do LC_ALL=C tr -cd '\\n -~' < $f > /tmp/n; cat "
                "/tmp/n > $f; done",
                f"printf '%s\\n' {' '.join(changed)} > {folder}/changed.txt",
            ),
            "takes all for Latin-1": (
                f"cd {folder}/texts && for f in $(find . -type f); do iconv -f latin1 -t utf8 $f | tr -d '\\r' > "
                "/tmp/n; cat /tmp/n > $f; done",
                f"printf '%s\\n' {' '.join(changed)} > {folder}/changed.txt",
            ),
            "writes the list only": (f"printf '%s\\n' {' '.join(changed)} > {folder}/changed.txt",),
        },
    )


def _text(random: Random, codec: str) -> str:
    lines = random.sample(_PHRASES, random.randint(4, 7))
    # Each needs a letter beyond ASCII, so that an encoding taken wrongly shows; CP1252 one that Latin-1 lacks.
    special = "„Ümlaut“ – 5 €" if codec == "CP1252" else "Ärger & Öl"
    return "\n".join([*lines, special, token(random)]) + "\n"


FAMILY = Family("encodings", make, needs=("iconv", "sed", "python3"))
