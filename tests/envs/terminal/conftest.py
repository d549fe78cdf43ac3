import shutil
import tempfile
from pathlib import Path

import pytest

from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Effects, Origin, Step
from pivotgym.envs.sandbox.backends import close_all
from pivotgym.envs.terminal import domain as terminal_domain
from pivotgym.envs.terminal.world import TerminalWorld


@pytest.fixture(scope="session")
def terminals():
    """The domain on this machine's default backend, with a store of its own."""
    store = Path(tempfile.mkdtemp(prefix="pivotgym-test-", dir="/var/tmp"))
    store.chmod(0o755)
    patch = pytest.MonkeyPatch()
    patch.setenv("PIVOTGYM_SNAPSHOTS", str(store / "snapshots"))
    close_all()
    found = terminal_domain()
    reason = found.ready()
    if reason is not None:
        pytest.skip(reason)
    yield found
    found.close()
    close_all()
    patch.undo()
    shutil.rmtree(store, ignore_errors=True)


class Machine:
    """A world at its start, with shortcuts."""

    def __init__(self, world: TerminalWorld) -> None:
        self.world = world

    def run(self, *commands: str) -> Effects:
        return self.world.run(bash(*commands))

    def says(self, command: str) -> str:
        return self.run(command).observations[0]

    def replay(self, command: str, *observed: str) -> None:
        self.world.replay(Step(action=bash(command), observations=observed or None), len(self.world.life.past))


def bash(*commands: str) -> Action:
    return Action(tool_calls=tuple(ToolCall(name="bash", arguments={"command": one}) for one in commands))


@pytest.fixture
def at(terminals):
    """Makes started machines, by the fields of an origin of kind `sandbox`."""
    made = []

    def start(kind: str = "sandbox", **fields) -> Machine:
        made.append(terminals.world())
        made[-1].start(Origin(kind=kind, **fields), 0)
        return Machine(made[-1])

    yield start
    for world in made:
        world.close()
