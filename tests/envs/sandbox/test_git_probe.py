import os
import subprocess

import pytest

from pivotgym.envs.sandbox.contract import Ran
from pivotgym.envs.sandbox.git_probe import git_detail, repositories

WHO = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}


def run(command: str, when: str = "2026-01-01T00:00:00Z") -> Ran:
    environment = {**os.environ, **WHO, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when, "HOME": "/nowhere"}
    done = subprocess.run(["bash", "-c", command], capture_output=True, env=environment, check=False)
    return Ran(done.stdout, done.stderr, done.returncode)


@pytest.fixture
def repository(tmp_path):
    assert run(f"cd '{tmp_path}' && git init -qb main && echo 1 > a && git add a && git commit -qm first").exit == 0
    return tmp_path


def described(path) -> dict:
    return git_detail([f"{path}/.git/index"], run)[str(path)]


def test_repositories_are_found_by_their_git_folder():
    assert repositories(["/w/.git/index", "/w/.git/HEAD", "/v/a", "/.git/x"]) == ["/", "/w"]


def test_head_refs_and_messages_are_given(repository):
    found = described(repository)
    assert found["head"] == "refs/heads/main"
    assert [said for _, said in found["refs"]["refs/heads/main"]] == ["first"]


def test_commits_come_newest_first(repository):
    run(f"cd '{repository}' && git commit -q --allow-empty -m 'second\n\nwith a body'")
    said = [said for _, said in described(repository)["refs"]["refs/heads/main"]]
    assert said == ["second\n\nwith a body", "first"]


def test_the_time_of_a_commit_does_not_count(repository):
    before = described(repository)
    run(f"cd '{repository}' && git commit -q --amend -m first", when="2026-05-05T05:05:05Z")
    assert described(repository) == before


def test_what_is_staged_counts(repository):
    before = described(repository)
    run(f"cd '{repository}' && echo 2 > a && git add a")
    assert described(repository)["index"] != before["index"]


def test_configuration_counts(repository):
    before = described(repository)
    run(f"cd '{repository}' && git config user.name other")
    assert described(repository)["config"] != before["config"]


def test_branches_and_tags_count(repository):
    run(f"cd '{repository}' && git branch other && git tag -a v1 -m one")
    assert set(described(repository)["refs"]) == {"refs/heads/main", "refs/heads/other", "refs/tags/v1"}


def test_a_detached_head_is_its_tree(repository):
    run(f"cd '{repository}' && git checkout -q --detach")
    found = described(repository)
    assert found["head"] == found["refs"]["refs/heads/main"][0][0]


def test_a_repository_without_commits(tmp_path):
    run(f"cd '{tmp_path}' && git init -qb main")
    assert described(tmp_path)["refs"] == {}


def test_a_folder_that_is_no_repository_is_left_out(tmp_path):
    (tmp_path / ".git").mkdir()
    assert git_detail([f"{tmp_path}/.git/x"], run) == {}
