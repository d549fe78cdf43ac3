"""Packages of an origin: which may be fetched, what is laid into a tree, and the tree in development mode."""

import os
import subprocess
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swe_agents import git

from pivotgym.core.errors import InputError, MissingDependency, NotFound
from pivotgym.envs.swe import develop, python_tools, wheelhouse
from pivotgym.envs.swe.metadata import Metadata


def make_wheel(folder, name, version, files, requires=(), scripts=""):
    info = f"{name}-{version}.dist-info"
    needed = "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **({f"{info}/entry_points.txt": f"[console_scripts]\n{scripts}\n"} if scripts else {}),
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(path, text)


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index of two small packages: `upper` needs `lower`, of which there are two versions."""
    folder = tmp_path / "index"
    folder.mkdir()
    for version in ("1.0", "2.0"):
        make_wheel(folder, "lower", version, {"lower.py": f"V = {version!r}\n"})
    lies = {"upper.py": "import lower\nprint(lower.V)\ndef main(): print('ran')\n", "setup.py": "raise SystemExit(9)"}
    make_wheel(folder, "upper", "1.0", lies, ["lower"], "upper-tool = upper:main")
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PIVOTGYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(wheelhouse.ALLOWED, "upper, Lower")
    return folder


def files_of(wheels):
    return [wheel.file.removesuffix("-py3-none-any.whl") for wheel in wheels]


def test_requirements_come_with_what_they_need(index):
    assert files_of(wheelhouse.wheels_for(("upper",))) == ["lower-2.0", "upper-1.0"]


@pytest.mark.slow
def test_constraints_limit_what_others_need(index):
    assert files_of(wheelhouse.wheels_for(("upper",), ("lower<2",))) == ["lower-1.0", "upper-1.0"]


@pytest.mark.slow
def test_a_choice_stays_and_needs_no_leave(index, monkeypatch):
    before = wheelhouse.wheels_for(("lower",))
    make_wheel(index, "lower", "3.0", {})
    monkeypatch.delenv(wheelhouse.ALLOWED)
    wheelhouse._wheels_for.cache_clear()
    assert wheelhouse.wheels_for(("lower",)) == before


def test_a_name_that_is_not_allowed_is_not_fetched(index, monkeypatch):
    monkeypatch.setenv(wheelhouse.ALLOWED, "other")
    with pytest.raises(MissingDependency, match="upper are not in the cache") as caught:
        wheelhouse.wheels_for(("upper",))
    assert caught.value.hint.endswith("PIVOTGYM_SWE_PACKAGES=upper, or * for all")


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "limits"), [(("nothing-like-it",), ()), (("lower>=2",), ("lower<2",))])
def test_what_no_wheel_gives_is_not_found(index, monkeypatch, asked, limits):
    monkeypatch.setenv(wheelhouse.ALLOWED, "*")
    with pytest.raises(NotFound, match="no wheels for Python"):
        wheelhouse.wheels_for(asked, limits)


@pytest.mark.slow
def test_what_is_not_found_is_asked_for_once(index):
    for _ in range(2):
        with pytest.raises(NotFound, match="no wheels for Python"):
            wheelhouse.wheels_for(("lower>=3",))
        make_wheel(index, "lower", "3.0", {})


@pytest.mark.slow
def test_a_package_too_large_is_refused(index, monkeypatch):
    monkeypatch.setattr(wheelhouse, "MAX_BYTES", 3)
    with pytest.raises(InputError, match="at most"):
        wheelhouse.wheels_for(("lower",))


def test_a_wheel_that_was_changed_in_the_cache_is_not_used(index, tmp_path):
    (wheel,) = wheelhouse.wheels_for(("lower",))
    wheel.place.write_bytes(b"other")
    with pytest.raises(MissingDependency, match="no longer in the cache as it was fetched"):
        wheelhouse.unpack([wheel], tmp_path, tmp_path, "python")


def test_wheels_are_laid_with_their_programs(index, tmp_path):
    packages, scripts = tmp_path / "site-packages", tmp_path / "bin"
    packages.mkdir()
    scripts.mkdir()
    wheelhouse.unpack(wheelhouse.wheels_for(("upper",)), packages, scripts, "/opt/python/bin/python")
    assert {"upper.py", "lower.py"} <= {path.name for path in packages.iterdir()}
    assert (scripts / "upper-tool").read_text().startswith("#!/opt/python/bin/python\n")


@pytest.mark.parametrize(
    "name", ["a @ https://host/a.whl", "a @ file:///etc", "-r /etc/passwd", "--index-url=x", "", "."]
)
def test_only_names_of_packages_are_taken(name):
    with pytest.raises(InputError, match="packages: expected"):
        wheelhouse.checked([name])


def test_too_many_packages_are_refused():
    with pytest.raises(InputError, match="at most"):
        wheelhouse.checked(f"p{number}" for number in range(wheelhouse.MAX_NAMED + 1))


def test_markers_are_those_of_the_sandbox():
    asked = ["a; python_version < '3'", "B_c>=1; python_version >= '3'", "d; extra == 'x'"]
    assert wheelhouse.checked(asked) == ("b-c>=1",)


@given(st.lists(st.text(max_size=30), max_size=3))
def test_any_names_are_read_or_refused(names):
    try:
        found = wheelhouse.checked(names)
    except InputError:
        return
    assert not any(one.startswith("-") or "@" in one or "/" in one for one in found)


def test_pytest_gives_way_to_another_one(tmp_path):
    packages = python_tools.install(tmp_path, without={"pytest"})
    assert not (packages / "pytest").exists()
    assert (packages / "pluggy").exists()


def test_a_tree_in_development_mode(tmp_path):
    tree = tmp_path / "tree"
    (tree / "src" / "one").mkdir(parents=True)
    (tree / "src" / "one" / "__init__.py").write_text("def go(): print('went')\n")
    packages, scripts = tmp_path / "packages", tmp_path / "bin"
    packages.mkdir()
    scripts.mkdir()
    metadata = Metadata("One", scripts={"run": "one:go", "../bad": "one:go", "worse": "one; import os"})
    folders = [str(tree / one) for one in develop.folders_of(metadata, tree)]
    develop.install(metadata, "1.5", folders, packages, scripts, "/usr/bin/python3")
    asked = f"import site; site.addsitedir({str(packages)!r}); import one; one.go()"
    asked += "; from importlib.metadata import version; print(version('one'))"
    ran = subprocess.run(["/usr/bin/python3", "-c", asked], capture_output=True, text=True, check=True)
    assert ran.stdout == "went\n1.5\n"
    assert [path.name for path in scripts.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("tag", "commits", "version"),
    [
        ("v1.2", 0, "1.2"),
        ("1.2", 2, "1.3.dev2"),
        ("3.0.0rc1", 1, "3.0.0rc2.dev1"),
        ("4.3.dev", 1, "4.3.dev1"),
        ("x", 1, ""),
    ],
)
def test_versions_of_a_history(tmp_path, tag, commits, version):
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "One")
    git(tmp_path, "tag", tag)
    for number in range(commits):
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", str(number))
    found = develop.version_at(tmp_path / ".git", git(tmp_path, "rev-parse", "HEAD"))
    assert found.partition("+")[0] == version


def test_the_version_file_is_a_module():
    names = {}
    exec(develop.version_file("6.0.0rc2.dev51+g41d211c24"), names)
    assert names["version"] == "6.0.0rc2.dev51+g41d211c24"
