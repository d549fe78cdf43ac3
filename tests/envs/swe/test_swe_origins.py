"""What origins resolve to, and what is wrong with those that do not."""

import shutil

import pytest
from swe_agents import FILES, git

from pivotgym.core.errors import InputError, MissingDependency, NotFound, Unreachable
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base import sources
from pivotgym.envs.swe.checkouts import apply_patch, check_out, write_below
from pivotgym.envs.swe.mirrors import CLONE, git_dir
from pivotgym.envs.swe.origins import Mutation, mutate, resolve

COMMIT = "0" * 40


def refusal(**fields):
    with pytest.raises(InputError) as caught:
        resolve(Origin(**{"kind": "git", "repo": "some/repo", "commit": COMMIT, **fields}))
    return str(caught.value)


def test_a_kind_that_is_none():
    with pytest.raises(InputError, match="expected a kind of"):
        resolve(Origin(kind="svn"))


@pytest.mark.parametrize("repo", ["https://host/a/b", "/etc", "a", "../a/b", "a/..", "-x/b", "a/b/c", "a/b\n"])
def test_only_names_of_repositories_are_followed(repo):
    with pytest.raises(InputError, match="expected 'owner/name'"):
        git_dir(repo)


def test_without_mirrors_the_setting_is_named(monkeypatch):
    monkeypatch.setattr(sources, "find", lambda name: None)
    with pytest.raises(MissingDependency, match="git_mirrors") as caught:
        git_dir("some/repo")
    assert "PIVOTGYM_SOURCE_GIT_MIRRORS" in caught.value.hint


def test_a_repository_that_no_mirror_holds(mirror):
    with pytest.raises(NotFound, match="does not hold some/other"):
        git_dir("some/other")


def test_a_repository_is_found_below_its_name(mirror):
    assert git_dir("some/repo").parts[-3:] == ("some+repo", "repo", ".git")


def test_what_no_mirror_holds_is_cloned_once_where_that_is_allowed(mirror, tmp_path, monkeypatch):
    git(tmp_path, "clone", "-q", "--bare", str(mirror), "hub/other/repo")
    monkeypatch.setenv(CLONE, f"file://{tmp_path}/hub")
    monkeypatch.setenv("PIVOTGYM_CACHE", str(tmp_path / "cache"))
    place = git_dir("other/repo")
    shutil.rmtree(tmp_path / "hub")
    assert git_dir("other/repo") == place
    assert (place / "HEAD").is_file()


def test_a_clone_that_fails_says_so(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv(CLONE, f"file://{tmp_path}/nowhere")
    monkeypatch.setenv("PIVOTGYM_CACHE", str(tmp_path / "cache"))
    with pytest.raises(Unreachable, match="other/repo cannot be cloned"):
        git_dir("other/repo")


@pytest.fixture
def bundles(mirror, tmp_path, monkeypatch):
    """A folder of mirrors for a bundle, which `source` names until the test ends."""
    monkeypatch.setenv("PIVOTGYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "find", lambda name: tmp_path / "mirrors")
    (tmp_path / "mirrors" / "some+repo").mkdir(parents=True)
    return tmp_path / "mirrors"


@pytest.mark.parametrize("place", ["some+repo.bundle", "some+repo/any.bundle"])
@pytest.mark.parametrize("what", ["--all", "HEAD", "main"])
def test_a_bundle_is_a_mirror(bundles, mirror, commit, tmp_path, place, what):
    git(mirror, "bundle", "create", "-q", str(bundles / place), what)
    check_out("some/repo", commit, tmp_path / "tree")
    assert (tmp_path / "tree" / "pkg" / "calc.py").read_text() == FILES["pkg/calc.py"]


def test_a_bundle_that_was_put_there_anew_is_read_anew(bundles, mirror, tmp_path):
    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", str(mirror), "other")
    git(other, "bundle", "create", "-q", str(bundles / "some+repo.bundle"), "HEAD")
    before = git_dir("some/repo")
    git(other, "commit", "-q", "--allow-empty", "-m", "New")
    git(other, "bundle", "create", "-q", str(bundles / "some+repo.bundle"), "HEAD")
    assert git_dir("some/repo") != before
    assert git(git_dir("some/repo"), "cat-file", "-t", git(other, "rev-parse", "HEAD")) == "commit"


def test_a_bundle_that_is_none_says_so(bundles):
    (bundles / "some+repo.bundle").write_bytes(b"no bundle")
    with pytest.raises(NotFound, match="the bundle of some/repo cannot be read"):
        git_dir("some/repo")


def test_a_bundle_of_a_part_of_the_history_says_so(bundles, mirror):
    git(mirror, "bundle", "create", "-q", str(bundles / "some+repo.bundle"), "HEAD~1..main")
    with pytest.raises(NotFound, match="prerequisite"):
        git_dir("some/repo")


def test_a_branch_is_no_commit():
    assert "full commit id" in refusal(commit="main")


def test_a_commit_is_needed():
    assert "commit: missing" in refusal(commit="")


def test_unknown_fields_are_named():
    assert "'branch'" in refusal(branch="main")


def test_an_instance_names_its_repository():
    setting = resolve(Origin(kind="git", instance_id="psf__requests-1142", base_commit=COMMIT))
    assert setting.content["repo"] == "psf/requests"


def test_files_stay_below_the_work_folder():
    assert "paths below the work folder" in refusal(files={"../etc/passwd": "x"})


def test_files_are_texts():
    assert "files.a.py: expected a text" in refusal(files={"a.py": "\ud800"})


@pytest.mark.parametrize("path", ["out/file", "file", "link/file"])
def test_files_are_not_written_through_links(tmp_path, path):
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    outside.mkdir()
    tree.mkdir()
    for name, target in {"out": outside, "file": outside / "file", "link": tree / "out"}.items():
        (tree / name).symlink_to(target)
    with pytest.raises(InputError, match="leads elsewhere by a link"):
        write_below(tree, path, "x")
    assert not list(outside.iterdir())


def test_a_file_in_the_place_of_a_folder(tmp_path):
    (tmp_path / "a").write_text("x")
    with pytest.raises(InputError, match="a/b cannot be written"):
        write_below(tmp_path, "a/b", "x")


DIFF = "diff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n-one\n+two\n"


def test_a_patch_is_applied(tmp_path):
    (tmp_path / "a.py").write_text("one\n")
    apply_patch(tmp_path, DIFF.format("a.py"))
    assert (tmp_path / "a.py").read_text() == "two\n"


@pytest.mark.parametrize("path", ["../a.py", "link/a.py", ".git/a.py", "b.py"])
def test_a_patch_that_leads_elsewhere_is_refused(tmp_path, path):
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    for folder in (tree / ".git", outside):
        folder.mkdir(parents=True)
    git(tree, "init", "-q")
    for place in (tmp_path / "a.py", outside / "a.py", tree / ".git" / "a.py"):
        place.write_text("one\n")
    (tree / "link").symlink_to(outside)
    with pytest.raises(InputError, match="patch: expected a git diff that applies"):
        apply_patch(tree, DIFF.format(path))


@pytest.mark.parametrize("text", ["", "no diff", "\0", "diff --git a/x b/x\n"])
def test_a_patch_that_is_none_is_refused(tmp_path, text):
    with pytest.raises(InputError, match="patch: expected a git diff"):
        apply_patch(tmp_path, text)


@pytest.mark.parametrize("workdir", ["/", "/opt", "/opt/python", "/opt/python/lib"])
def test_the_work_folder_is_neither_the_root_nor_the_tools(workdir):
    assert "a folder below '/'" in refusal(workdir=workdir)


def test_an_unknown_harness():
    assert "harness: expected one of" in refusal(harness="nobody")


@pytest.mark.parametrize(
    ("harness", "fresh", "observation"),
    [("", True, "plain"), ("mini-swe-agent", True, "mini_swe_agent"), ("openhands", False, "status")],
)
def test_the_harness_decides_how_commands_run(harness, fresh, observation):
    setting = resolve(Origin(kind="git", repo="some/repo", commit=COMMIT, harness=harness))
    assert (setting.fresh, setting.observation) == (fresh, observation)


def test_a_known_package_has_no_other_digest():
    with pytest.raises(InputError, match=r"sha256: expected 2c86e3.*which toolz 1\.0\.0 has"):
        resolve(Origin(kind="sdist", package="toolz", version="1.0.0", sha256="0" * 64))


@pytest.mark.parametrize(("field", "value"), [("package", "a b"), ("version", "; rm"), ("sha256", "xyz")])
def test_fields_of_a_package_that_are_none(field, value):
    with pytest.raises(InputError, match=f"{field}: expected"):
        resolve(Origin(**{"kind": "sdist", "package": "toolz", "version": "1.0.0", field: value}))


@pytest.mark.parametrize("bad", [{"path": "a.py"}, {"path": "/a", "line": 1, "old": "", "new": ""}, "x"])
def test_mutations_that_are_none(bad):
    with pytest.raises(InputError, match="mutations: expected"):
        resolve(Origin(kind="sdist", package="toolz", version="1.0.0", mutations=[bad]))


def test_a_mutation_changes_one_line(tmp_path):
    (tmp_path / "a.py").write_text("one\ntwo\n")
    mutate(tmp_path, Mutation("a.py", 2, "two", "2"))
    assert (tmp_path / "a.py").read_text() == "one\n2\n"


def test_a_mutation_of_another_line(tmp_path):
    (tmp_path / "a.py").write_text("one\n")
    with pytest.raises(InputError, match=r"expected line 1 of a\.py to be 'two', got 'one'"):
        mutate(tmp_path, Mutation("a.py", 1, "two", "2"))


def test_an_image_that_is_not_configured():
    with pytest.raises(NotFound, match="no image called 'x'"):
        resolve(Origin(kind="image", image="x"))
