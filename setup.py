"""Lists the packages to install; everything else stands in `pyproject.toml`.

Each top-level room is one sub-package (`core/` is `pivotgym.core`), which setuptools' declarative discovery cannot
express. Listing them here means that a new folder with an `__init__.py` is installed without being named anywhere.
"""

from setuptools import find_packages, setup

ROOMS = ("core", "verifiers", "envs", "servers", "trainer", "study", "cli")

setup(
    packages=[
        "pivotgym",
        *(f"pivotgym.{room}" for room in ROOMS),
        *(f"pivotgym.{room}.{child}" for room in ROOMS for child in find_packages(room)),
    ]
)
