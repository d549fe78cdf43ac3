"""pytest inside of sandboxes: pure-Python wheels of PyPI at one place, the same for every state.

Owns: which wheels, the archive that holds them, and the variables with which a session finds them. Does not own:
fetching wheels (`core.wheels`), running tests.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
from functools import lru_cache
from pathlib import Path

from pivotgym.core.canonical import digest
from pivotgym.core.wheels import Wheel, fetch_wheel, find_wheel, unpacked

WHEELS = (
    Wheel("pytest", "8.3.5", "c69214aa47deac29fad6c2a4f590b9c4a9fdb16a403176fe154b79c0b4d4d820"),
    Wheel("pluggy", "1.5.0", "44e1ad92c8ca002de6377e165f3e0f1be63266ab4d554740532335b9d75ea669"),
    Wheel("iniconfig", "2.0.0", "b6a85871a79d2e3b22d2d1b94ac2824226a63c6b741c88f7ae975f18b6778374"),
    Wheel("packaging", "24.2", "09abb1bccd265c01f4a3aa3f7a7db064b36514d2cba19a2f694fe6150451a759"),
)
AT = "/opt/pytest"
LIBRARY = f"{AT}/lib"
ENVIRONMENT = {
    "PYTHONPATH": LIBRARY,
    "PATH": f"{AT}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}
"""What a session's variables must hold for `pytest` and `python3 -m pytest` to run."""
_SCRIPT = "#!/usr/bin/env python3\nimport sys\n\nfrom pytest import console_main\n\nsys.exit(console_main())\n"
_PYTHON = '#!/bin/sh\nexec python3 "$@"\n'


def fetch(cache: Path | None = None) -> None:
    """Fetch the wheels. Errors as for `fetch_wheel`."""
    for wheel in WHEELS:
        fetch_wheel(wheel, cache=cache)


def identity() -> str:
    """What the archive is made of, for the identity of a base."""
    return digest([[wheel.name, wheel.version, wheel.sha256] for wheel in WHEELS] + [_SCRIPT, _PYTHON])


def archive(cache: Path | None = None) -> Path:
    """A tar archive of pytest's tree, to be unpacked at `/`; made once per cache.

    Raises:
        MissingDependency: If the wheels were not fetched.
    """
    folders = tuple(find_wheel(wheel, fetch_name="swe", cache=cache) for wheel in WHEELS)
    place = unpacked(WHEELS[0], cache).parent / f"pytest-{identity()[:16]}.tar"
    if not place.is_file():
        with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as stream:
            stream.write(_packed(folders))
        Path(stream.name).replace(place)
    return place


@lru_cache(maxsize=1)
def _packed(folders: tuple[Path, ...]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as packed:
        for folder in folders:
            for file in sorted(path for path in folder.rglob("*.*") if path.is_file()):
                if "__pycache__" not in file.parts:
                    _add(packed, f"{LIBRARY}/{file.relative_to(folder).as_posix()}", file.read_bytes(), 0o644)
        for name, text in {"pytest": _SCRIPT, "py.test": _SCRIPT, "python": _PYTHON}.items():
            _add(packed, f"{AT}/bin/{name}", text.encode(), 0o755)
    return buffer.getvalue()


def _add(packed: tarfile.TarFile, path: str, content: bytes, mode: int) -> None:
    member = tarfile.TarInfo(path.lstrip("/"))
    member.size, member.mode = len(content), mode
    packed.addfile(member, io.BytesIO(content))
