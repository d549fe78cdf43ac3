"""Source packages that nothing is known of: fetched where they are named, and the same ever after."""

import hashlib
import io
import json
import tarfile

import pytest

from pivotgym.cli.main import run_app
from pivotgym.core.errors import MissingDependency, Unreachable
from pivotgym.core.trajectory import Origin
from pivotgym.envs.swe.origins import resolve
from pivotgym.envs.swe.sdists import Sdist, pinned, tree
from pivotgym.envs.swe.wheelhouse import ALLOWED, naming

FILES = {
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "maker"\nbackend-path = ["."]\n',
    "PKG-INFO": "Metadata-Version: 2.1\nName: left-pad\nVersion: 1.0\n",
    "maker.py": (
        "import pathlib\n"
        "def prepare_metadata_for_build_wheel(folder, settings=None):\n"
        "    made = pathlib.Path(folder, 'left_pad-1.0.dist-info')\n"
        "    made.mkdir()\n"
        "    (made / 'METADATA').write_text('Metadata-Version: 2.1\\nName: left-pad\\nVersion: 1.0\\n')\n"
        "    return made.name\n"
        "def build_wheel(*_):\n    raise NotImplementedError\n"
    ),
    "left_pad.py": "def pad(text):\n    return ' ' + text\n",
}


def packed(files=FILES) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"left_pad-1.0/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


PACKED = packed()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index of one source package, which pip is told of; its cache is empty."""
    folder = tmp_path / "index" / "left-pad"
    folder.mkdir(parents=True)
    (folder / "left_pad-1.0.tar.gz").write_bytes(PACKED)
    (folder / "index.html").write_text('<a href="left_pad-1.0.tar.gz">left_pad-1.0.tar.gz</a>')
    for name, value in {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": folder.parent.as_uri(),
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIVOTGYM_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(ALLOWED, raising=False)
    return folder


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A cache that the package came into before."""
    place = tmp_path / "sdists" / "left-pad-1.0.tar.gz"
    place.parent.mkdir()
    place.write_bytes(PACKED)
    monkeypatch.setenv("PIVOTGYM_CACHE", str(tmp_path))
    monkeypatch.delenv(ALLOWED, raising=False)
    return place


def origin(**fields) -> Origin:
    return Origin(**{"kind": "sdist", "package": "Left_Pad", "version": "1.0", **fields})


def test_a_named_package_is_fetched_once_and_known_by_its_digest(index, monkeypatch):
    monkeypatch.setenv(ALLOWED, "left-pad")
    first = resolve(origin()).content
    (index / "left_pad-1.0.tar.gz").unlink()
    monkeypatch.delenv(ALLOWED)
    assert resolve(origin()).content == first
    assert first["sdist"] == hashlib.sha256(PACKED).hexdigest()


@pytest.mark.parametrize("setting", ["", "*", "other,*"])
def test_a_package_that_the_setting_does_not_name_is_not_fetched(index, monkeypatch, setting):
    monkeypatch.setenv(ALLOWED, setting)
    with pytest.raises(MissingDependency, match=r"sdist: left-pad is none of the known") as caught:
        resolve(origin(sha256="0" * 64))
    assert "PIVOTGYM_SWE_PACKAGES=left-pad" in caught.value.hint


def test_a_command_can_name_packages_for_a_while(index):
    with naming(["Left.Pad"]), pytest.raises(Unreachable, match=r"left-pad 2\.0: pip could not download"):
        resolve(origin(version="2.0"))
    with pytest.raises(MissingDependency, match="left-pad is none of the known"):
        resolve(origin(version="2.0"))


def test_a_digest_that_the_index_does_not_have(index, monkeypatch):
    monkeypatch.setenv(ALLOWED, "left-pad")
    with pytest.raises(MissingDependency, match=r"left-pad 1\.0: expected SHA-256 0+, the index has another file"):
        resolve(origin(sha256="0" * 64))


def test_a_package_in_the_cache_needs_no_leave(cached):
    assert tree(cached)["left_pad.py"] == FILES["left_pad.py"].encode()
    assert resolve(origin()).content["sdist"] == hashlib.sha256(PACKED).hexdigest()


def test_what_came_first_holds(cached):
    first = pinned(Sdist("left-pad", "1.0"))
    cached.write_bytes(packed({"left_pad.py": "other\n"}))
    with pytest.raises(MissingDependency, match=f"expected SHA-256 {first.sha256}, got "):
        pinned(Sdist("left-pad", "1.0"))


def test_a_given_digest_must_be_that_of_what_came_first(cached):
    with pytest.raises(MissingDependency, match=r"expected SHA-256 0+, got "):
        resolve(origin(sha256="0" * 64))


@pytest.mark.parametrize(
    ("options", "said"), [((), "left-pad 2.0: pip could not download"), (("--no-fetch",), "left-pad is none of")]
)
def test_a_benchmark_fetches_what_its_cases_name_unless_told_not_to(index, tmp_path, capsys, options, said):
    acts = [
        {"type": "tool_calls", "tool_calls": [{"name": "bash", "arguments": {"command": command}}]}
        for command in ("ls", "pwd")
    ]
    case = {
        "id": "1",
        "domain": "swe",
        "label": 1,
        "kind": "k",
        "group": "g",
        "origin": dict(origin(version="2.0")),
        "context": {"messages": [], "tools": []},
        "reference_action": acts[0],
        "candidate_action": acts[1],
    }
    (tmp_path / "cases.jsonl").write_text(json.dumps(case))
    run_app(["bench", "verdicts", "--cases", str(tmp_path / "cases.jsonl"), *options])
    assert said in " ".join("".join(capsys.readouterr()).split())
