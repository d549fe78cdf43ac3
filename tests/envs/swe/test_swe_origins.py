"""What origins resolve to, and what is wrong with those that do not."""

import pytest

from pivotgym.core.errors import InputError, MissingDependency, NotFound
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base import sources
from pivotgym.envs.swe.mirrors import git_dir
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


def test_the_work_folder_is_not_the_root():
    assert "a folder below '/'" in refusal(workdir="/")


def test_an_unknown_harness():
    assert "harness: expected one of" in refusal(harness="nobody")


@pytest.mark.parametrize(
    ("harness", "fresh", "observation"),
    [("", True, "plain"), ("mini-swe-agent", True, "mini_swe_agent"), ("openhands", False, "status")],
)
def test_the_harness_decides_how_commands_run(harness, fresh, observation):
    setting = resolve(Origin(kind="git", repo="some/repo", commit=COMMIT, harness=harness))
    assert (setting.fresh, setting.observation) == (fresh, observation)


def test_a_package_without_a_known_digest():
    with pytest.raises(InputError, match="none of the known archives"):
        resolve(Origin(kind="sdist", package="leftpad", version="1.0"))


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
