"""`pivotgym new`: the domain it writes passes its own tests and every check, from its folder and installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import yaml

from pivotgym.cli.main import run_app

QUICK = ["--sessions", "8", "--limit", "3"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("new")
    assert run_app(["new", "corner_shop", "--in", str(place)]) == 0
    return place / "corner_shop"


def test_all_of_it_bears_the_name(folder: Path) -> None:
    files = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert set(files) == {
        "Dockerfile",
        "README.md",
        "compose.yml",
        "pyproject.toml",
        "corner_shop/__init__.py",
        "corner_shop/domain.py",
        "corner_shop/data/tasks.jsonl",
        "tests/test_corner_shop.py",
    }
    assert not any(
        old in text for text in files.values() for old in ("my_domain", "my-domain", "MY_DOMAIN", "MyDomain")
    )
    assert "class CornerShopWorld(PlainWorld)" in files["corner_shop/domain.py"]


def test_it_is_small(folder: Path) -> None:
    """The part that a stranger writes anew: the code of the classes, without docstrings and empty lines."""
    code = (folder / "corner_shop" / "domain.py").read_text().partition("class CornerShopWorld")[2].splitlines()
    written = [line for line in code if line.strip() and not line.strip().startswith('"""')]
    assert len(written) <= 45


@pytest.mark.slow
def test_its_folder_is_green(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["check", str(folder), *QUICK]) == 0
    assert "27 passed, 0 failed, 0 skipped" in capsys.readouterr().out


def test_its_compose_file_has_one_service_that_holds_no_right(folder: Path) -> None:
    text = (folder / "compose.yml").read_text()
    assert "PIVOTGYM_UPSTREAMS=corner_shop=http://corner-shop:8000" in text
    (name, service), *others = yaml.safe_load(text)["services"].items()
    assert (name, service["image"], service["cap_drop"], others) == ("corner-shop", "corner_shop", ["ALL"], [])


@pytest.fixture(scope="module")
def installed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment's `bin`, with what this one has and the domain, installed without a network."""
    place = tmp_path_factory.mktemp("venv")
    venv.create(place, symlinks=True)
    libraries = Path(sysconfig.get_path("purelib", vars={"base": str(place), "platbase": str(place)}))
    seen = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (libraries / "seen.pth").write_text("\n".join(seen))
    subprocess.run(
        [
            place / "bin" / "python",
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--no-index",
            "--no-build-isolation",
            folder,
        ],
        check=True,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    return place / "bin"


@pytest.mark.slow
def test_installed_it_is_found_by_name_and_green(folder: Path, installed: Path, tmp_path: Path) -> None:
    python = str(installed / "python")
    told = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stdout
    run = "import sys; from pivotgym.cli.main import run_app; sys.exit(run_app(sys.argv[1:]))"
    told = subprocess.run(
        [python, "-c", run, "check", "corner_shop", *QUICK], cwd=tmp_path, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stdout
    assert "27 passed, 0 failed, 0 skipped" in told.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("My-Shop", "expected lower-case words joined by underscores"),
        ("../shop", "expected lower-case words joined by underscores"),
        ("a" * 41, "at most 40 characters"),
        ("class", "'class' is a Python keyword or module"),
        ("json", "'json' is a Python keyword or module"),
        ("pivotgym", "'pivotgym' is a Python keyword or module"),
    ],
)
def test_a_bad_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, said: str) -> None:
    assert run_app(["new", name, "--in", str(tmp_path)]) == 3
    assert said in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shop").mkdir()
    assert run_app(["new", "shop", "--in", str(tmp_path)]) == 3
    assert "nothing is ever overwritten" in capsys.readouterr().err
    assert list((tmp_path / "shop").iterdir()) == []


def test_a_place_that_is_not_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["new", "shop", "--in", str(tmp_path / "nowhere")]) == 3
    assert "in: expected a folder that is there" in capsys.readouterr().err
