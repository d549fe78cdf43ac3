"""Switch an installation to a new release by its symbolic links, and clear out links that lead nowhere."""

from __future__ import annotations

from random import Random

from pivotgym.envs.terminal.tasks.checks import Gone, LinksAre, Prints, TreeIs
from pivotgym.envs.terminal.tasks.model import Exercise, Family, Start
from pivotgym.envs.terminal.tasks.words import PROJECTS, THINGS, prose, some


def make(random: Random) -> Exercise:
    """Links of all sorts: absolute, relative, over another link, dangling; some have no business with the release."""
    project = random.choice(PROJECTS)
    root = f"/opt/{project}"
    major, old, new = random.randint(1, 4), random.randint(0, 4), random.randint(5, 9)
    before, after = f"{major}.{old}", f"{major}.{new}"
    tools = some(random, THINGS, 6)
    kept, dropped, other = tools[:3], tools[3:5], tools[5]
    files = {f"releases/{before}/bin/{tool}": f"#!/bin/sh\necho {tool} {before}\n" for tool in (*kept, *dropped)}
    files |= {f"releases/{after}/bin/{tool}": f"#!/bin/sh\necho {tool} {after}\n" for tool in kept}
    files |= {f"releases/{name}/NOTES": prose(random, 3) for name in (before, after)}
    files |= {f"extra/{other}": f"#!/bin/sh\necho {other}\n"}
    links = {f"{root}/current": f"releases/{before}", f"{root}/bin/{other}": f"../extra/{other}"}
    links |= {
        f"{root}/bin/{tool}": f"{root}/releases/{before}/bin/{tool}"
        if place % 2
        else f"../releases/{before}/bin/{tool}"
        for place, tool in enumerate((*kept, *dropped))
    }
    stray = f"{root}/bin/{random.choice(PROJECTS)}-old"
    links[stray] = f"/opt/{project}-gone/bin/x"
    due = {f"{root}/bin/{tool}": f"{root}/releases/{after}/bin/{tool}" for tool in kept}
    due |= {f"{root}/current": f"{root}/releases/{after}", f"{root}/bin/{other}": f"{root}/extra/{other}"}
    modes = {f"{root}/{path}": 0o755 for path in files if "/bin/" in path or path.startswith("extra/")}
    return Exercise(
        instruction=(
            f"{root} has two releases of its programs, {before} and {after}, in {root}/releases. Everything still "
            f"uses {before} through symbolic links. Switch to {after}: {root}/current must lead to the folder of "
            f"{after}, and each link in {root}/bin that leads to a program of {before} must lead to the program of "
            f"the same name of {after}. Where {after} no longer has that program, remove the link. Also remove the "
            f"links in {root}/bin that lead nowhere. All other links and all files stay as they are; the links must "
            "remain symbolic links."
        ),
        start=Start(files={f"{root}/{path}": text for path, text in files.items()}, modes=modes, links=links, cwd=root),
        checks=(
            LinksAre("links", due),
            Gone("gone", (stray, *(f"{root}/bin/{tool}" for tool in dropped))),
            Prints("nothing else", f"cd {root} && find bin -mindepth 1 | wc -l", str(len(kept) + 1)),
            TreeIs(
                "releases",
                f"{root}/releases",
                {k.removeprefix("releases/"): v for k, v in files.items() if k[0] == "r"},
            ),
        ),
        gold=(
            f"cd {root} && find . -type l -printf '%p -> %l\\n' | sort; find releases -type f | sort",
            f"ln -sfn releases/{after} current && readlink -f current",
            "cd bin && for l in $(find . -type l -lname '*releases/" + before + "/*' -printf '%f\\n'); do if [ -e "
            f"../releases/{after}/bin/$l ]; then ln -sfn ../releases/{after}/bin/$l $l; else rm $l; fi; done; ls",
            f"find {root}/bin -xtype l -print -delete; find {root} -type l -printf '%p -> %l\\n' | sort",
        ),
        alternative=(
            f"""python3 - <<'EOF'
import os
root, before, after = "{root}", "{before}", "{after}"
for name in os.listdir(root + "/bin"):
    path = os.path.join(root, "bin", name)
    target = os.path.realpath(path)
    new = target.replace("/releases/" + before + "/", "/releases/" + after + "/")
    if not os.path.exists(target) or not os.path.exists(new):
        os.remove(path)
    elif new != target:
        os.remove(path)
        os.symlink(new, path)
os.remove(root + "/current")
os.symlink(root + "/releases/" + after, root + "/current")
EOF""",
        ),
        cheats={
            "moves the release instead": (
                f"cd {root}/releases && rm -rf {before} && cp -r {after} {before} && find {root}/bin -xtype l -delete",
                f"ln -sfn releases/{after} {root}/current",
            ),
            "copies the programs": (
                f"cd {root}/bin && rm -f {' '.join((*kept, *dropped))} {stray} && cp ../releases/{after}/bin/* .",
                f"ln -sfn releases/{after} {root}/current",
            ),
        },
    )


FAMILY = Family("links", make, needs=("find", "python3"))
