"""One backend for all tests here, over a store of their own; a sandbox for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pivotgym.envs.sandbox.bubblewrap import BubblewrapBackend
from pivotgym.envs.sandbox.bubblewrap.backend import missing
from pivotgym.envs.sandbox.bubblewrap.session import BubblewrapSandbox
from pivotgym.envs.sandbox.contract import Base, Limits, ShellState, Snapshot
from pivotgym.envs.sandbox.keeping import own_ids
from pivotgym.envs.sandbox.store.layers import LayerStore
from pivotgym.envs.sandbox.store.snapshots import SnapshotStore

LIMITS = Limits(wall_s=20, cpu_s=10, memory_mb=128, processes=48, file_mb=16, disk_mb=32, files=500, output_kb=16)


@pytest.fixture(scope="session", autouse=True)
def _able() -> None:
    lacking = missing()
    if lacking:
        pytest.skip(f"{lacking.what}; mend it with: {lacking.command}")


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnapshotStore]:
    layers = LayerStore(tmp_path_factory.mktemp("snapshots"), own_ids())
    yield SnapshotStore(layers)
    layers.close()


@pytest.fixture(scope="session")
def backend(store: SnapshotStore) -> Iterator[BubblewrapBackend]:
    opened = BubblewrapBackend(store)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def start(backend: BubblewrapBackend) -> Snapshot:
    files = {"/work/a.txt": b"one\n", "/work/deep/b.txt": b"two\n"}
    return backend.base(Base(identity='{"test": "start"}', files=files, shell=ShellState(cwd="/work")))


@pytest.fixture
def opened(backend: BubblewrapBackend, start: Snapshot) -> Iterator[Callable[..., BubblewrapSandbox]]:
    """Opens sandboxes that are closed after the test."""
    sandboxes: list[BubblewrapSandbox] = []

    def one(snapshot: Snapshot = start, limits: Limits = LIMITS) -> BubblewrapSandbox:
        sandboxes.append(backend.open(snapshot, limits=limits))
        return sandboxes[-1]

    yield one
    for sandbox in sandboxes:
        sandbox.close()


@pytest.fixture
def sandbox(opened: Callable[..., BubblewrapSandbox]) -> BubblewrapSandbox:
    return opened()


@pytest.fixture
def neighbour(opened: Callable[..., BubblewrapSandbox]) -> Iterator[BubblewrapSandbox]:
    """Another session, which must go on whatever the first one does: asked before and after."""
    other = opened()
    assert other.run("echo before > /work/mine; echo alive").stdout == b"alive\n"
    yield other
    after = other.run("cat /work/mine")
    assert (after.stdout, after.exit, after.shell_ended) == (b"before\n", 0, False)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the host that anyone there may read."""
    file = tmp_path / "secret"
    file.write_text("of the host")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    file.chmod(0o644)
    return file
