"""A Python with pytest for sandboxes that have none: a virtual environment over the machine's own Python.

Owns: which wheels it holds and what it looks like on disk. Does not own: fetching wheels (`core.wheels`), or the
packages that a repository needs (`wheelhouse`).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection
from functools import cache
from pathlib import Path

from pivotgym.core.errors import MissingDependency
from pivotgym.core.wheels import Wheel, fetch_wheel

FOLDER = "/opt/python"
"""Where it is inside; `FOLDER/bin` comes first in PATH."""
WHEELS = (
    Wheel("pytest", "8.4.2", "872f880de3fc3a5bdc88a11b39c9710c3497a547cfa9320bc3c5e62fbf272e79"),
    Wheel("pluggy", "1.6.0", "e920276dd6813095e9377c0bc5566d94c932c33b27a3e3945d8389c374dd4746"),
    Wheel("iniconfig", "2.1.0", "9deba5723312380e77435581c6bf4935c94cbfab9b1ed33ef8d238ea168eb760"),
    Wheel("packaging", "25.0", "29572ef2b1f17581046b3a2227d5c611fb25ec70ca1ba8554b24b0e69331a484"),
    Wheel("pygments", "2.19.2", "86540386c03d588bb81d44bc3928634ff26449851e99741617ecb9037ee5ec0b"),
)
_PYTHON = "/usr/bin/python3"
_SCRIPT = f"#!{FOLDER}/bin/python\nimport sys\nfrom pytest import console_main\nsys.exit(console_main())\n"


def identity() -> list[str]:
    """What it is made of, for keys of states."""
    return [version(), *(wheel.sha256 for wheel in WHEELS)]


def fetch() -> None:
    """Fetch the wheels into the cache. Errors as for `fetch_wheel`."""
    for wheel in WHEELS:
        fetch_wheel(wheel)


def install(root: Path, *, without: Collection[str] = (), pytest: bool = True) -> Path:
    """Put it at `FOLDER` below a folder.

    Args:
        root: That folder.
        without: Canonical names of packages to leave out, which others bring.
        pytest: Whether there is to be a pytest; if not, only the folders and the interpreter are made.

    Returns:
        Its folder `site-packages`.

    Raises:
        Unreachable: If a wheel is neither in the cache nor to be had from the package index.
        MissingDependency: If the machine has no Python of its own, or a wheel is another file than it should be.
    """
    home = root / FOLDER.lstrip("/")
    packages = home / "lib" / f"python{version()}" / "site-packages"
    packages.mkdir(parents=True)
    (home / "bin").mkdir()
    for name in ("python", "python3"):
        (home / "bin" / name).symlink_to(_PYTHON)
    (home / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = true\n")
    if not pytest:
        return packages
    for wheel in WHEELS:
        if wheel.name not in without:
            shutil.copytree(fetch_wheel(wheel), packages, dirs_exist_ok=True)
    for name in ("pytest", "py.test"):
        script = home / "bin" / name
        script.write_text(_SCRIPT)
        script.chmod(0o755)
    return packages


def markers() -> dict[str, str]:
    """What environment markers of requirements say of it, where that may differ from this process' own Python."""
    return {"python_version": version(), "python_full_version": f"{version()}.0", "implementation_name": "cpython"}


@cache
def version() -> str:
    """`3.11`: the version of the Python that sandboxes see."""
    asked = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([_PYTHON, "-I", "-c", asked], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingDependency(f"{_PYTHON}: expected Python there", hint="apt-get install python3") from error
    return done.stdout.strip()
