"""The command `new`: a folder with a whole domain that passes `pivotgym check`, to be changed into another one.

Owns: the name's rules and writing the folder. Does not own: what is written (the folder `new_domain` beside this one,
a domain like any other in which only the name is replaced).
"""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from pivotgym.cli.ui import escape, say
from pivotgym.core.errors import InputError

TEMPLATE = Path(__file__).parent / "new_domain"
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
LONGEST = 40


def new(
    name: Annotated[str, typer.Argument(help="The domain's name: lower-case letters, digits, underscores.")],
    in_: Annotated[Path, typer.Option("--in", help="Folder in which the domain's folder is made.")] = Path(),
) -> None:
    """Write a folder with a whole domain, as small as one can be: world, verifier, tasks, tests, container."""
    folder = write(name, in_)
    say(f"{escape(str(folder))}: change {name}/domain.py and {name}/data/tasks.jsonl, then:")
    say(escape(f"  cd {folder} && pivotgym check ."))


def write(name: str, place: Path) -> Path:
    """Write the folder of a new domain; it is there whole or not at all.

    Args:
        name: The domain's name, also of its Python package.
        place: Where its folder is made.

    Raises:
        InputError: If the name cannot be used, `place` is no folder, or there is something of that name.
    """
    _check(name)
    folder = place / name
    if not place.is_dir():
        raise InputError(f"in: expected a folder that is there, got {str(place)!r}")
    try:
        folder.mkdir()
    except FileExistsError as error:
        hint = "choose another name, or move it away: nothing is ever overwritten"
        raise InputError(f"name: there is {str(folder)!r} already", hint=hint) from error
    for source in sorted(path for path in TEMPLATE.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        target = folder / _named(str(source.relative_to(TEMPLATE)), name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_named(source.read_text(encoding="utf-8"), name), encoding="utf-8")
    return folder


def _check(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > LONGEST:
        raise InputError(
            f"name: expected lower-case words joined by underscores, at most {LONGEST} characters, got {name!r}",
            hint="for instance: my_domain",
        )
    if keyword.iskeyword(name) or name in sys.stdlib_module_names or name in ("pivotgym", "tests", "data"):
        raise InputError(f"name: {name!r} is a Python keyword or module, and cannot be a package of its own")


def _named(text: str, name: str) -> str:
    """The template's text with its name replaced, in all its spellings."""
    camel = "".join(word.capitalize() for word in name.split("_"))
    for old, new in (
        ("my_domain", name),
        ("my-domain", name.replace("_", "-")),
        ("MY_DOMAIN", name.upper()),
        ("MyDomain", camel),
        ("MyWorld", f"{camel}World"),
    ):
        text = text.replace(old, new)
    return text
