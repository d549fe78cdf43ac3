"""The commit that a run began at, by the blobs of its patch."""

import pytest

from pivotgym.core.errors import InputError, NotFound
from pivotgym.core.readers.chat import derive_origin
from pivotgym.core.trajectory import Origin
from pivotgym.envs.swe.base_commit import base_commit
from pivotgym.envs.swe.mirrors import git, git_dir
from pivotgym.envs.swe.origins import resolve


def blob(mirror, path, at="HEAD~1"):
    return git(git_dir("some/repo"), "rev-parse", "--short=10", f"{at}:{path}").decode().strip()


def test_it_is_the_last_that_holds_the_blob(mirror, commit):
    assert base_commit(git_dir("some/repo"), {"pkg/calc.py": blob(mirror, "pkg/calc.py")}) == commit


def test_a_blob_that_stands_to_this_day(mirror):
    newest = git(git_dir("some/repo"), "rev-parse", "HEAD").decode().strip()
    assert base_commit(git_dir("some/repo"), {"pkg/calc.py": blob(mirror, "pkg/calc.py", "HEAD")}) == newest


def test_files_that_an_image_changed_do_not_count(mirror, commit):
    blobs = {"README.md": "1234567", "pkg/calc.py": blob(mirror, "pkg/calc.py")}
    assert base_commit(git_dir("some/repo"), blobs) == commit


def test_no_commit_holds_it(mirror):
    with pytest.raises(NotFound, match=r"no commit of the repository holds pkg/calc.py 1234567"):
        base_commit(git_dir("some/repo"), {"pkg/calc.py": "1234567"})


@pytest.mark.parametrize("blobs", [{}, {"a": "main"}, {"a": "--all"}])
def test_ids_that_are_none(mirror, blobs):
    with pytest.raises(InputError, match="expected ids of 7 to 40"):
        base_commit(git_dir("some/repo"), blobs)


def test_the_patch_of_a_run_names_its_commit(mirror, commit):
    index = f"index {blob(mirror, 'pkg/calc.py')}..1234567890 100644"
    row = {
        "instance_id": "some__repo-7",
        "submission": f"diff --git a/pkg/calc.py b/pkg/calc.py\n{index}\n--- a/pkg/calc.py\n",
        "messages": [{"role": "tool", "content": "<returncode>0</returncode>"}],
    }
    origin = derive_origin(row)
    assert origin.get("harness") == "mini_swe_agent"
    assert resolve(Origin.model_validate(origin.model_dump())).content["commit"] == commit
