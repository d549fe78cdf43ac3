import pytest

from pivotgym.trainer.ray_start import worker_environment


def test_a_process_without_a_gpu_computes_on_the_threads_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert worker_environment(cuda=False, threads=3)["OMP_NUM_THREADS"] == "3"


def test_the_users_own_number_of_threads_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert worker_environment(cuda=False, threads=3)["OMP_NUM_THREADS"] == "5"


def test_threads_are_left_alone_where_there_are_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert "OMP_NUM_THREADS" not in worker_environment(cuda=True, threads=3)
