import gc

import pytest

from pivotgym.core.errors import ConfigError, WorldFailed
from pivotgym.envs.sandbox import keeping
from pivotgym.envs.sandbox.contract import ShellState, Snapshot


class SomeBackend:
    """As much of a backend as a key needs."""

    name, version = "some", "1"


STATE = Snapshot("some", ("image",), ShellState(), "d")


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv(keeping.FOLDER, str(tmp_path / "store"))
    return keeping.shared_store()


def test_a_process_has_one_store(store):
    assert keeping.shared_store() is store


def test_the_folder_is_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv(keeping.FOLDER, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert keeping.folder() == tmp_path / "pivotgym" / "snapshots"


def test_the_size_is_a_setting(store, monkeypatch):
    monkeypatch.setenv(keeping.MAX_GB, "0.5")
    assert keeping.max_bytes() == 500_000_000


@pytest.mark.parametrize("text", ["", "many", "0", "-1", "nan", "inf"])
def test_a_size_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv(keeping.MAX_GB, text)
    with pytest.raises(ConfigError, match="PIVOTGYM_SNAPSHOTS_MAX_GB: expected a positive number of GB"):
        keeping.max_bytes()


def test_a_state_whose_backend_cannot_be_asked_is_dropped_nevertheless(store, caplog):
    keeping.Keeper(store, SomeBackend()).keep("key", STATE)
    gc.collect()
    store.evict(0)
    assert "snapshot image of some stays behind: sandbox backend: expected one of" in caplog.text
    assert store.nodes() == []


def test_a_kept_state_is_recalled(store):
    keeping.Keeper(store, SomeBackend()).keep("key", STATE, turn=1)
    assert keeping.Keeper(store, SomeBackend()).recall("key") == STATE


def test_a_state_of_another_version_of_the_backend_is_not_recalled(store, monkeypatch):
    keeping.Keeper(store, SomeBackend()).keep("key", STATE)
    monkeypatch.setattr(SomeBackend, "version", "2")
    assert keeping.Keeper(store, SomeBackend()).recall("key") is None


def test_a_state_that_cannot_be_stored_is_a_failure_of_ours(store):
    gone = Snapshot("some", ("l000000000000",), ShellState(), "d")
    with pytest.raises(WorldFailed, match=r"a state could not be stored in .*PIVOTGYM_SNAPSHOTS names another folder"):
        keeping.Keeper(store, SomeBackend()).keep("key", gone)


def test_one_builds_at_a_time(store):
    keeper = keeping.Keeper(store, SomeBackend())
    with keeper.building("key"), store.layers.locks.alone(f"key:{keeper._key('key')}", wait=False) as free:
        assert not free
