"""Give a tree of files the modes that a policy in words asks for."""

from __future__ import annotations

from random import Random

from pivotgym.envs.terminal.tasks.checks import ModesAre, TreeIs
from pivotgym.envs.terminal.tasks.model import Exercise, Family, Start
from pivotgym.envs.terminal.tasks.words import PROJECTS, THINGS, prose, some

_WRONG_FILES = (0o600, 0o640, 0o666, 0o777, 0o444, 0o755)
_WRONG_FOLDERS = (0o700, 0o777, 0o775, 0o750)


def make(random: Random) -> Exercise:
    """Programs, secrets, a shared folder and the rest, all with wrong modes."""
    root, shared = f"/srv/{random.choice(PROJECTS)}", random.choice(["shared", "inbox", "exchange"])
    names = some(random, THINGS, 9)
    ending = random.choice(["sh", "py"])
    files = {f"bin/{name}.{ending}": f"#!/bin/sh\necho {name}\n" for name in names[:3]}
    files |= {f"secrets/{name}.key": prose(random, 2) for name in names[3:5]}
    files |= {f"secrets/old/{names[5]}.key": prose(random, 2), f"{shared}/{names[6]}.txt": prose(random, 3)}
    files |= {f"www/{names[7]}.html": prose(random, 3), f"www/css/{names[8]}.css": prose(random, 2)}
    files |= {f"bin/README {names[0]}.txt": prose(random, 1)}
    folders = ["bin", "secrets", "secrets/old", shared, "www", "www/css"]
    due = {path: _file_mode(path, ending) for path in files} | {path: _folder_mode(path, shared) for path in folders}
    modes = {path: random.choice([mode for mode in _WRONG_FILES if mode != due[path]]) for path in files}
    modes |= {path: random.choice([mode for mode in _WRONG_FOLDERS if mode != due[path]]) for path in folders}
    return Exercise(
        instruction=(
            f"The permissions below {root} are a mess. Put them right, without changing any content:\n"
            f"- the .{ending} files in {root}/bin: all rights for the owner, read and execute for everyone else;\n"
            f"- everything below {root}/secrets: files can be read and written by the owner only, and the folder "
            "secrets and those in it can be used by the owner only (read, write, enter);\n"
            f"- the folder {root}/{shared} itself: all rights for owner and group, read and enter for others, and new "
            "files in it get the folder's group (setgid);\n"
            f"- all other files: the owner reads and writes, everyone else reads; all other folders below {root}: all "
            "rights for the owner, read and enter for everyone else."
        ),
        start=Start(
            files={f"{root}/{path}": text for path, text in files.items()},
            modes={f"{root}/{path}": mode for path, mode in modes.items()},
            cwd=root,
        ),
        checks=(
            ModesAre("modes", {f"{root}/{path}": mode for path, mode in due.items()}),
            TreeIs("content", root, files),
        ),
        gold=(
            f"cd {root} && find . -mindepth 1 -printf '%m %y %p\\n' | sort -k3",
            "find . -mindepth 1 -type d -exec chmod u=rwx,go=rx {} + && find . -type f -exec chmod u=rw,go=r {} +",
            f"chmod 755 bin/*.{ending} && find secrets -type f -exec chmod 600 {{}} + && find secrets -type d -exec "
            "chmod 700 {} +",
            f"chmod 2775 {shared} && find . -mindepth 1 -printf '%m %y %p\\n' | sort -k3",
        ),
        alternative=(
            f"""python3 - <<'EOF'
import os
for folder, _, names in os.walk("{root}", topdown=False):
    secret = (folder + "/").startswith("{root}/secrets/")
    for name in names:
        program = folder == "{root}/bin" and name.endswith(".{ending}")
        os.chmod(os.path.join(folder, name), 0o600 if secret else 0o755 if program else 0o644)
    os.chmod(folder, 0o700 if secret else 0o2775 if folder == "{root}/{shared}" else 0o755)
EOF""",
        ),
        cheats={
            "opens everything": (f"chmod -R 777 {root}",),
            "makes new files": (
                f"rm -rf {root}/*; cd {root}; mkdir -m 700 -p secrets secrets/old; mkdir -m 2775 {shared}",
                "mkdir -p bin www/css",
                *(f"install -m {mode:o} /dev/null '{root}/{path}'" for path, mode in due.items() if path in files),
            ),
        },
    )


def _file_mode(path: str, ending: str) -> int:
    if path.startswith("secrets/"):
        return 0o600
    return 0o755 if path.startswith("bin/") and path.endswith(f".{ending}") else 0o644


def _folder_mode(path: str, shared: str) -> int:
    if path.startswith("secrets"):
        return 0o700
    return 0o2775 if path == shared else 0o755


FAMILY = Family("permissions", make, needs=("find", "python3"))
