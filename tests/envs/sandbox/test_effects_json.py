import gzip
import json

from pivotgym.envs.sandbox.contract import Change, Entry, ShellState
from pivotgym.envs.sandbox.effects import MAX_ARCHIVE, MAX_TEXT, MAX_TEXTS, files_detail, shell_detail, since

OLD, NEW = Entry("file", 0o644, size=3, digest="a"), Entry("file", 0o644, size=4, digest="b")


def test_a_change_made_before_is_not_seen_again():
    before = {"/a": Change(None, OLD)}
    assert since(before, before) == {}


def test_a_file_changed_twice_goes_from_the_first_change_to_the_second():
    assert since({"/a": Change(None, OLD)}, {"/a": Change(None, NEW)}) == {"/a": Change(OLD, NEW)}


def test_a_file_changed_back_goes_back():
    assert since({"/a": Change(OLD, NEW)}, {}) == {"/a": Change(NEW, OLD)}


def test_a_file_added_and_removed_is_removed():
    assert since({"/a": Change(None, NEW)}, {}) == {"/a": Change(NEW, None)}


def described(entry: Entry, content: bytes | None):
    return files_detail({"/a": Change(None, entry)}, lambda path: content)["/a"]["after"]


def test_the_text_of_a_small_file_is_given():
    assert described(NEW, b"text") == {"kind": "file", "mode": 0o644, "size": 4, "digest": "b", "text": "text"}


def test_a_file_that_is_no_text_has_its_digest_only():
    assert "text" not in described(NEW, b"\xff\xfe\0\0")


def test_a_large_file_has_its_digest_only():
    assert "text" not in described(Entry("file", 0o644, size=MAX_TEXT + 1), b"x" * (MAX_TEXT + 1))


def test_texts_of_all_files_together_are_bounded():
    entry, text = Entry("file", 0o644, size=MAX_TEXT), b"x" * MAX_TEXT
    found = files_detail({f"/{number:03}": Change(None, entry) for number in range(100)}, lambda path: text)
    assert sum("text" in one["after"] for one in found.values()) == MAX_TEXTS // MAX_TEXT


def test_a_removed_file_has_no_entry_after():
    assert files_detail({"/a": Change(OLD, None)}, lambda path: None)["/a"]["after"] is None


def test_an_owner_other_than_root_is_named():
    assert described(Entry("dir", 0o755, uid=5, gid=6), None)["owner"] == "5:6"


def test_names_that_are_not_utf_8_survive_json():
    found = files_detail({"/\udcff": Change(OLD, None)}, lambda path: None)
    assert list(json.loads(json.dumps(found))) == ["/\\xff"]


def test_a_shell_is_described():
    assert shell_detail(ShellState("/w", 0o027, {"B": "2", "A": "\udcff"})) == {
        "cwd": "/w", "umask": "0027", "environment": {"A": "\\xff", "B": "2"}
    }  # fmt: skip


def test_the_members_of_an_archive_are_told():
    content = gzip.compress(b"x")
    entry = Entry("file", 0o644, size=len(content), digest="d")
    found = files_detail({path: Change(None, entry) for path in ("/a.gz", "/a")}, lambda path: content)
    assert found["/a.gz"]["after"]["archive"]["container"] == "gzip"
    assert "archive" not in found["/a"]["after"]


def test_a_large_archive_has_its_digest_only():
    entry = Entry("file", 0o644, size=MAX_ARCHIVE + 1, digest="d")
    assert "archive" not in files_detail({"/a.gz": Change(None, entry)}, lambda path: b"")["/a.gz"]["after"]
