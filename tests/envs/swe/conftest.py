import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from pivotgym.core.messages import Action
from pivotgym.core.trajectory import Origin, Pivot
from pivotgym.envs.base import sources
from pivotgym.envs.sandbox.backends import close_all
from pivotgym.envs.swe import domain as swe_domain

sys.path.insert(0, str(Path(__file__).parent))

from swe_agents import FILES, REPO, Agent, git, write


@pytest.fixture(scope="session")
def mirror():
    """A folder of mirrors with one repository of three commits; the second is the one that runs begin at."""
    root = Path(tempfile.mkdtemp(prefix="pivotgym-mirrors-", dir="/var/tmp"))
    folder = root / "some+repo" / "repo"
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    for said, files in (
        ("Start", {"pkg/calc.py": "# nothing yet\n"}),
        ("Calculate", FILES),
        ("Mend add (#7)", {"pkg/calc.py": FILES["pkg/calc.py"].replace("a - b", "a + b")}),
    ):
        write(folder, files)
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", said)
    sources.configure({"git_mirrors": root})
    yield folder
    sources.forget("git_mirrors")
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def commit(mirror):
    """The commit that runs begin at."""
    return git(mirror, "rev-parse", "HEAD~1")


@pytest.fixture(scope="session")
def swe():
    """The domain on this machine's default backend, with a store of its own."""
    store = Path(tempfile.mkdtemp(prefix="pivotgym-test-", dir="/var/tmp"))
    store.chmod(0o755)
    patch = pytest.MonkeyPatch()
    patch.setenv("PIVOTGYM_SNAPSHOTS", str(store / "snapshots"))
    close_all()
    found = swe_domain()
    reason = found.ready()
    if reason is not None:
        pytest.skip(reason)
    yield found
    found.close()
    close_all()
    patch.undo()
    shutil.rmtree(store, ignore_errors=True)


@pytest.fixture
def agent(swe, commit):
    """Makes agents at the start, by fields of the origin."""
    made = []

    def start(**fields) -> Agent:
        made.append(swe.world())
        made[-1].start(Origin(**{"kind": "git", "repo": REPO, "commit": commit, **fields}), 0)
        return Agent(made[-1])

    yield start
    for world in made:
        world.close()


@pytest.fixture
def pivot(commit):
    """Makes pivots of an expert's action."""

    def make(reference: Action, **fields) -> Pivot:
        origin = Origin(**{"kind": "git", "repo": REPO, "commit": commit, **fields})
        return Pivot(id="p", domain="swe", messages=[], tools=[], reference=reference, origin=origin)

    return make
