"""Unpack archives of several sorts, tell the damaged one, pack some of the files again."""

from __future__ import annotations

import io
import tarfile
import zipfile
from random import Random

from pivotgym.envs.terminal.tasks.checks import Prints, TextIs, TreeIs
from pivotgym.envs.terminal.tasks.model import Exercise, Family, Start
from pivotgym.envs.terminal.tasks.words import CITIES, PROJECTS, THINGS, prose, some

_ENDINGS = (".tar.gz", ".tar.xz", ".zip")


def make(random: Random) -> Exercise:
    """One archive per city, one of them cut short."""
    root = f"/srv/{random.choice(PROJECTS)}"
    cities = [city.lower() for city in some(random, CITIES, 4)]
    damaged, *good = cities
    contents = {city: _content(random, city) for city in cities}
    endings = dict(zip(good, some(random, list(_ENDINGS), 3), strict=True))
    files: dict[str, str | bytes] = {
        f"{root}/inbox/{city}{endings[city]}": _packed(contents[city], endings[city]) for city in good
    }
    whole = _packed(contents[damaged], ".tar.gz")
    files[f"{root}/inbox/{damaged}.tar.gz"] = whole[: len(whole) * 2 // 3]
    unpacked = {f"{city}/{path}": text for city in good for path, text in contents[city].items()}
    tables = sorted((path.rpartition("/")[2], text) for path, text in unpacked.items() if path.endswith(".csv"))
    out, pack = f"{root}/out", f"{root}/tables.tar.gz"
    return Exercise(
        instruction=(
            f"{root}/inbox holds four archives. One of them is damaged. Unpack each of the others into a folder of "
            f"its own below {out}, named like the archive without its ending ({root}/inbox/x.tar.gz goes to "
            f"{out}/x/). Nothing of the damaged archive may be left in {out}. Write the damaged archive's file name "
            f"(without the folder) to {root}/damaged.txt. Then pack all .csv files that you unpacked, with their "
            f"plain file names and without any folders, into the gzipped tar archive {pack}."
        ),
        start=Start(files=files, cwd=root),
        checks=(
            TreeIs("unpacked", out, unpacked),
            TextIs("damaged", f"{root}/damaged.txt", f"{damaged}.tar.gz"),
            Prints(
                "packed names",
                f"tar -tzf {pack} | sed 's|^\\./||' | grep -v '^$' | LC_ALL=C sort",
                "".join(f"{name}\n" for name, _ in tables),
            ),
            Prints(
                "packed content",
                f"mkdir /tmp/look && tar -xzf {pack} -C /tmp/look && cd /tmp/look && LC_ALL=C && cat *.csv",
                "".join(text for _, text in tables),
            ),
        ),
        gold=(
            f"cd {root}/inbox && ls",
            "for f in *; do case $f in *.zip) python3 -m zipfile -t $f;; *) tar -tf $f;; esac > /dev/null 2>&1 || "
            f"echo $f; done | tee {root}/damaged.txt",
            f"for f in $(ls | grep -vxF -f {root}/damaged.txt); do d={out}/${{f%%.*}}; mkdir -p $d; "
            "case $f in *.zip) python3 -m zipfile -e $f $d;; *) tar -xf $f -C $d;; esac; done; "
            f"find {out} -type f | sort",
            f"mkdir /tmp/tables && find {out} -name '*.csv' -exec cp -t /tmp/tables {{}} + && "
            f"tar -czf {pack} -C /tmp/tables $(ls /tmp/tables) && tar -tzf {pack}",
        ),
        alternative=(
            f"""python3 - <<'EOF'
import pathlib, shutil, tarfile
root = pathlib.Path("{root}")
for path in sorted((root / "inbox").iterdir()):
    target = root / "out" / path.name.split(".")[0]
    try:
        shutil.unpack_archive(path, target)
    except Exception:
        shutil.rmtree(target, ignore_errors=True)
        (root / "damaged.txt").write_text(path.name)
with tarfile.open(root / "tables.tar.gz", "w:gz") as pack:
    for path in (root / "out").rglob("*.csv"):
        pack.add(path, arcname="./" + path.name)
EOF""",
        ),
        cheats={
            "keeps what the damaged archive still gives": (
                f"cd {root}/inbox; for f in *; do d={out}/${{f%%.*}}; mkdir -p $d; "
                "case $f in *.zip) python3 -m zipfile -e $f $d;; *) tar -xf $f -C $d;; esac; done",
                f"echo {damaged}.tar.gz > {root}/damaged.txt; rmdir {out}/* 2>/dev/null",
                f"cd {out} && tar -czf {pack} $(find . -name '*.csv')",
            ),
            "packs empty tables": (
                f"mkdir -p {out} /tmp/t; cd /tmp/t; touch {' '.join(name for name, _ in tables)}; tar -czf {pack} "
                "*.csv",
                f"echo {damaged}.tar.gz > {root}/damaged.txt",
            ),
        },
    )


def _content(random: Random, city: str) -> dict[str, str]:
    things = some(random, THINGS, 4)
    table = "thing,count\n" + "".join(f"{thing},{random.randint(1, 99)}\n" for thing in things)
    return {
        f"{city}-{things[0]}.csv": table,
        f"data/{city}-{things[1]}.csv": table[:-1] + f"\n{things[2]},{random.randint(100, 999)}\n",
        "notes.txt": prose(random, 40),
        f"data/{things[3]}.txt": prose(random, 3),
    }


def _packed(content: dict[str, str], ending: str) -> bytes:
    held = io.BytesIO()
    if ending == ".zip":
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as pack:
            for path, text in content.items():
                pack.writestr(zipfile.ZipInfo(path, (2024, 3, 1, 12, 0, 0)), text)
        return held.getvalue()
    mode = {".tar.gz": "w:gz", ".tar.xz": "w:xz"}[ending]
    with tarfile.open(fileobj=held, mode=mode) as tar:  # type: ignore[call-overload]
        for path, text in content.items():
            member = tarfile.TarInfo(path)
            member.size, member.mtime = len(text.encode()), 1_709_294_400
            tar.addfile(member, io.BytesIO(text.encode()))
    return _without_time(held.getvalue()) if ending == ".tar.gz" else held.getvalue()


def _without_time(packed: bytes) -> bytes:
    """Gzip writes the present time into bytes 4 to 8: equal seeds must give equal archives."""
    return packed[:4] + b"\0\0\0\0" + packed[8:]


FAMILY = Family("archives", make, needs=("tar", "gzip", "xz", "python3"))
