"""Write a file that sets up an environment when it is sourced, from settings that may change."""

from __future__ import annotations

from random import Random

from pivotgym.envs.terminal.tasks.checks import Prints, TextIs
from pivotgym.envs.terminal.tasks.judge import CLEAN
from pivotgym.envs.terminal.tasks.model import Exercise, Family, Start
from pivotgym.envs.terminal.tasks.words import PROJECTS, SERVICES, THINGS, prose, some, token

_GOLD = """while IFS= read -r line; do
  case $line in ''|'#'*) continue;; esac
  key=${{line%%=*}}; value=${{line#*=}}
  key=$(echo $key); value="${{value#"${{value%%[![:space:]]*}}"}}"; value="${{value%"${{value##*[![:space:]]}}"}}"
  export "{prefix}_${{key^^}}=$value"
done < {settings}
unset line key value
case ":$PATH:" in *:{folder}/bin:*) ;; *) export PATH={folder}/bin:$PATH;; esac
"""
_OTHER = """eval "$(python3 - <<'EOF'
import shlex
for line in open("{settings}"):
    if line.strip() and not line.startswith("#"):
        key, value = line.split("=", 1)
        print("export", "{prefix}_" + key.strip().upper() + "=" + shlex.quote(value.strip()))
EOF
)"
echo "$PATH" | tr ':' '\\n' | grep -qxF {folder}/bin || PATH="{folder}/bin:$PATH"
export PATH
"""


def make(random: Random) -> Exercise:
    """Settings become exported variables, a folder goes onto the search path once."""
    project = random.choice(PROJECTS)
    folder, prefix = f"/opt/{project}", project.upper()
    settings, env = f"{folder}/settings.conf", f"{folder}/env.sh"
    keys = some(random, [*SERVICES, *THINGS], 4)
    tool = f"{random.choice(THINGS)}-{token(random, 3)}"
    first, second = _values(random, keys), _values(random, some(random, keys, 3))
    program = f'#!/bin/sh\necho "{tool}: ${prefix}_{keys[0].upper()}"\n'
    files = {settings: _text(random, first), f"{folder}/bin/{tool}": program}
    words = {"settings": settings, "folder": folder, "prefix": prefix}
    plain = "".join(f'export {prefix}_{key.upper()}="{value}"\n' for key, value in first.items())
    unseen = {settings: _text(random, second)}
    show = f"env | grep '^{prefix}_' | LC_ALL=C sort"
    return Exercise(
        instruction=(
            f"Write {env}, to be sourced by bash (`. {env}`), so that after sourcing it\n"
            f"- for each setting `key = value` in {settings} there is an exported variable {prefix}_KEY (the key in "
            "capital letters) with that value; blanks around key and value do not belong to them, blanks inside a "
            "value do, and empty lines and lines that begin with # are no settings;\n"
            f"- {folder}/bin is the first folder of PATH, or, if PATH already has it, PATH is unchanged: sourcing "
            "twice must not add it twice.\n"
            f"The settings are read anew each time {env} is sourced, since {settings} may change later; it must work "
            "from any working directory, print nothing and not end the shell. Do not change the settings."
        ),
        start=Start(files=files, modes={f"{folder}/bin/{tool}": 0o755}, cwd=folder),
        checks=(
            Prints("variables", f". {env}; {show}", _shown(prefix, first)),
            Prints("changed settings", f"cd /tmp; . {env}; {show}", _shown(prefix, second), files=unseen),
            Prints("program", f". {env}; {tool}", f"{tool}: {first[keys[0]]}"),
            Prints("path", f'. {env}; . {env}; echo "$PATH"', f"{folder}/bin:{CLEAN.environment['PATH']}"),
            Prints(
                "path that has it",
                f"PATH=/usr/bin:{folder}/bin:/bin; . {env}; echo $PATH",
                f"/usr/bin:{folder}/bin:/bin",
            ),
            TextIs("settings", settings, files[settings], exact=True),
        ),
        gold=(
            f"cd {folder} && cat -A {settings}; ls bin; cat bin/*",
            f"cat > {env} <<'EOF'\n{_GOLD.format(**words)}EOF",
            f"(. {env}; . {env}; {show}; echo $PATH; {tool})",
        ),
        alternative=(f"cat > {env} <<'OUTER'\n{_OTHER.format(**words)}OUTER",),
        cheats={
            "writes today's values down": (
                f"cat > {env} <<'EOF'\n{plain}case \":$PATH:\" in *:{folder}/bin:*) ;; "
                f"*) PATH={folder}/bin:$PATH;; esac\nEOF",
            ),
            "sets its own shell only": (f"export PATH={folder}/bin:$PATH\n{plain}", f"touch {env}"),
        },
    )


def _values(random: Random, keys: list[str]) -> dict[str, str]:
    values = [token(random), prose(random, 1).strip(), f"a=b; {token(random)}", str(random.randint(10, 9999))]
    return dict(zip(keys, values, strict=False))


def _text(random: Random, values: dict[str, str]) -> str:
    lines = [f"{key}{random.choice([' ', ''])}={random.choice([' ', '  '])}{value}" for key, value in values.items()]
    return "# settings\n\n" + "\n".join(lines[:2]) + "\n# more\n" + "\n".join(lines[2:]) + "\n"


def _shown(prefix: str, values: dict[str, str]) -> str:
    return "".join(sorted(f"{prefix}_{key.upper()}={value}\n" for key, value in values.items()))


FAMILY = Family("environment", make, needs=("env", "grep", "python3"))
