import io
import json
import tarfile
from pathlib import Path

import pytest

from pivotgym.core.errors import InputError, MissingDependency, NotFound, TooLarge
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base import sources
from pivotgym.envs.terminal import inline
from pivotgym.envs.terminal.origins import identity, resolve


def archive(path: Path, members: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def fixtures(tmp_path):
    archive(tmp_path / "start.tar.gz", {"work/a.txt": "one\n", "backup/b.txt": "two\n"})
    archive(tmp_path / "other.tar.gz", {"work/a.txt": "three\n", "backup/b.txt": "two\n"})
    sources.configure({"fixtures": tmp_path})
    yield tmp_path
    sources.forget("fixtures")


@pytest.fixture
def images(tmp_path):
    file = tmp_path / "images.json"
    file.write_text(json.dumps({"base": "debian:12"}))
    sources.configure({"images": file})
    yield file
    sources.forget("images")


def filesystem(**fields) -> Origin:
    return Origin(kind="filesystem", **{"fixture": "start.tar.gz", **fields})


def test_a_fixture_is_unpacked_at_the_top(fixtures):
    base = resolve(filesystem()).bases[0]
    assert base.archives == ((fixtures / "start.tar.gz", "/"),)


def test_the_folders_of_a_fixture_are_the_roots(fixtures):
    assert resolve(filesystem()).roots == ("/backup", "/work")


def test_a_fixture_goes_where_unpack_at_says(fixtures):
    setting = resolve(filesystem(unpack_at={"/srv/work": "work"}))
    assert (setting.bases[0].archives[0][1], setting.roots) == ("/srv", ("/srv/work",))


def test_perturbed_fixtures_are_further_bases(fixtures):
    setting = resolve(filesystem(perturbed=["other.tar.gz"]))
    assert [base.archives[0][0].name for base in setting.bases] == ["start.tar.gz", "other.tar.gz"]


def test_by_default_files_and_output_count_for_a_fixture(fixtures):
    compare = resolve(filesystem(unpack_at={"/work": "work"})).compare
    assert compare.to_json() == {
        "files": ["/work"], "output": "always", "exit": False, "cwd": False, "environment": False, "umask": False
    }  # fmt: skip


def test_in_a_session_all_counts(fixtures):
    compare = resolve(filesystem(shell="session")).compare
    assert (compare.files, compare.output, compare.exit, compare.cwd) == (("/",), "reads", True, True)


def test_compare_narrows_what_counts(fixtures):
    compare = resolve(filesystem(shell="session", compare={"files": ["/work"], "cwd": False})).compare
    assert (compare.files, compare.cwd, compare.exit) == (("/work",), False, True)


def test_identity_follows_the_content_of_a_fixture(fixtures):
    before = identity(filesystem())
    archive(fixtures / "start.tar.gz", {"work/a.txt": "changed\n", "backup/b.txt": "two\n"})
    assert identity(filesystem()) != before


def test_identity_names_no_path_of_this_machine(fixtures):
    assert str(fixtures) not in json.dumps(identity(filesystem()))


def test_host_files_are_placed(fixtures):
    base = resolve(filesystem(host_files={"/etc/motd": "hello\n"})).bases[0]
    assert base.files == {"/etc/motd": b"hello\n"}


def test_the_conditions_of_labelled_cases(fixtures):
    setting = resolve(filesystem(cwd="/work", needs="tree is not installed"))
    assert (setting.fresh, setting.limits.wall_s, setting.shell.cwd, setting.status) == (True, 8.0, "/work", False)


@pytest.mark.parametrize("name", ["../start.tar.gz", "/etc/passwd", "a/b.tar", "..", "", ".hidden", "x..y"])
def test_a_fixture_cannot_lead_out_of_its_source(fixtures, name):
    with pytest.raises(InputError, match="expected a file's name"):
        resolve(filesystem(fixture=name))


def test_a_fixture_that_is_not_there(fixtures):
    with pytest.raises(NotFound, match=r"has no file called 'none\.tar'"):
        resolve(filesystem(fixture="none.tar"))


def test_a_fixture_that_is_no_archive(fixtures):
    (fixtures / "bad.tar").write_text("no archive")
    with pytest.raises(InputError, match=r"fixture 'bad.tar': expected a tar archive"):
        resolve(filesystem(fixture="bad.tar"))


def test_fixtures_that_are_not_configured():
    with pytest.raises(MissingDependency, match="source 'fixtures': not configured"):
        resolve(filesystem())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fixtur": "x"}, "no field is called 'fixtur'"),
        ({"cwd": "work"}, "cwd: expected an absolute path"),
        ({"cwd": "/a/../b"}, "cwd: expected an absolute path without"),
        ({"env": {"A B": "x"}}, "env: expected names of variables"),
        ({"user": "Root!"}, "user: expected a user's name"),
        ({"user": "70000:1"}, "user: expected a user's name, or 'uid:gid' of numbers up to 65534"),
        ({"cwd": "/a" * 101}, "cwd: expected at most 100 names"),
        ({"cwd": "/" + "a" * 256}, "cwd: expected at most 100 names of 255 bytes"),
        ({"time_limit_s": 0}, "time_limit_s: expected seconds"),
        ({"shell": "zsh"}, "shell: expected one of"),
        ({"network": "yes"}, "network: expected true or false"),
        ({"perturbed": "x"}, "perturbed: expected a list of texts"),
        ({"host_files": {"/etc/x": 1}}, "host_files./etc/x: expected a text"),
        ({"host_files": []}, "host_files: expected an object"),
        ({"unpack_at": {"/work": "other"}}, "unpack_at: expected a folder that ends with its member's name"),
        ({"unpack_at": {"/none": "none"}}, r"a member of 'start.tar.gz', which has \['backup', 'work'\], got 'none'"),
        ({"unpack_at": {"/a/work": "work", "/b/backup": "backup"}}, "unpack_at: expected one place for all"),
        ({"compare": {"mtime": True}}, "compare: no field is called 'mtime'"),
        ({"compare": {"files": "/work"}}, "compare.files: expected a list of folders"),
        ({"compare": {"output": "sometimes"}}, "compare.output: expected one of"),
        ({"compare": {"exit": 1}}, "compare.exit: expected true or false"),
        ({"fixture": 3}, "fixture: expected a text"),
    ],
)
def test_a_field_that_does_not_fit_is_named(fixtures, fields, message):
    with pytest.raises(InputError, match=message):
        resolve(filesystem(**fields))


def test_a_missing_field_is_named():
    with pytest.raises(InputError, match="the field 'fixture' is missing"):
        resolve(Origin(kind="filesystem"))


def test_another_kind_is_refused():
    with pytest.raises(InputError, match=r"a kind of \['filesystem', 'harbor', 'image', 'sandbox'\], got 'git'"):
        resolve(Origin(kind="git"))


def test_an_image_goes_by_its_configured_name(images):
    assert resolve(Origin(kind="image", image="base")).bases[0].image == "debian:12"


def test_an_image_that_is_not_configured(images):
    with pytest.raises(NotFound, match=r"no image called 'debian:12'; it has \['base'\]"):
        resolve(Origin(kind="image", image="debian:12"))


@pytest.mark.parametrize("text", ["no json", "[]", '{"a": 1}'])
def test_images_that_cannot_be_read(images, text):
    images.write_text(text)
    with pytest.raises(MissingDependency, match="source 'images': expected a JSON"):
        resolve(Origin(kind="image", image="base"))


def members(setting) -> dict[str, tarfile.TarInfo]:
    with setting.base() as base, tarfile.open(base.archives[0][0]) as tar:
        return {member.name: member for member in tar}


def test_a_tree_given_in_place_keeps_modes_links_and_folders():
    files = {"/app/run.sh": {"text": "#!/bin/sh\n", "mode": 0o755}, "/app/raw": {"base64": "AAE="}, "/app/a": "text"}
    origin = Origin(kind="sandbox", files=files, folders={"/app/empty": 0o700}, links={"/app/l": "a"}, cwd="/app")
    found = members(resolve(origin))
    assert {name: (one.type, one.mode, one.size) for name, one in found.items() if name != "app/l"} == {
        "app/a": (tarfile.REGTYPE, 0o644, 4),
        "app/empty": (tarfile.DIRTYPE, 0o700, 0),
        "app/raw": (tarfile.REGTYPE, 0o644, 2),
        "app/run.sh": (tarfile.REGTYPE, 0o755, 10),
    }
    assert (found["app/l"].type, found["app/l"].linkname) == (tarfile.SYMTYPE, "a")


def test_identity_follows_the_content_of_a_tree():
    one, other = (identity(Origin(kind="sandbox", files={"/a": text})) for text in ("1", "2"))
    assert one["bases"] != other["bases"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"files": {"a": ""}}, "expected an absolute path"),
        ({"files": {"/": ""}}, "a path below '/'"),
        ({"files": {"/a": ""}, "links": {"/a": "b"}}, "that nothing else has"),
        ({"files": {"/a": "", "//a": ""}}, "that nothing else has"),
        ({"files": {"/a": "", "/a/b/c": ""}}, "no file where a folder is needed, got '/a/b/c'"),
        ({"files": {"/a": 1}}, "a text, or an object of text or base64"),
        ({"files": {"/a": {"text": "", "base64": ""}}}, "a text, or an object of text or base64"),
        ({"files": {"/a": {"text": 1}}}, "a text"),
        ({"files": {"/a": {"base64": "?"}}}, "base64"),
        ({"files": {"/a": {"text": "", "mode": "755"}}}, "permission bits"),
        ({"files": {"/a": {"text": "", "mtime": -1}}}, "mtime: expected whole seconds"),
        ({"links": {"/a": ""}}, "a link's target"),
        ({"folders": {"/a": 0o10000}}, "permission bits"),
    ],
)
def test_an_entry_of_a_tree_that_does_not_fit_is_named(fields, message):
    with pytest.raises(InputError, match=message):
        resolve(Origin(kind="sandbox", **fields))


def test_a_tree_is_bounded_in_entries():
    with pytest.raises(TooLarge, match="at most 10000 entries"):
        resolve(Origin(kind="sandbox", files={f"/a/{number}": "" for number in range(inline.MAX_FILES + 1)}))


def test_a_tree_is_bounded_in_bytes():
    with pytest.raises(TooLarge, match="bytes in all"):
        resolve(Origin(kind="sandbox", files={"/a": "x" * (inline.MAX_BYTES + 1)}))
