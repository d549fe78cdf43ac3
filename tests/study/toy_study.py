"""A study that a tiny random policy runs in seconds.

An action is right when its first character has an even code point. An episode is two actions, and pays when both are
right.
"""

from contextlib import contextmanager
from pathlib import Path

from tiny_policies import make_text_policy

from pivotgym.core.messages import Message
from pivotgym.core.trajectory import Effects, Origin, Trajectory, Verdict
from pivotgym.envs.base.contract import Domain, Task, World
from pivotgym.servers.client import Client
from pivotgym.servers.serve import BackgroundServer
from pivotgym.study.config import StudyConfig, load_study


def right(text):
    return bool(text) and ord(text[0]) % 2 == 0


class ToyComparator:
    name = "even"

    def screen(self, pivot, action):
        return None

    def by_rule(self, pivot, action):
        reward = float(right(action.content))
        outcome = "equivalent" if reward else "different"
        return Verdict(reward=reward, outcome=outcome, method="even", executed=False)


class ToyWorld(World):
    def start(self, origin, seed):
        self.said = []

    def run(self, action):
        self.said.append(right(action.content))
        return Effects(observations=["go on"])

    def over(self):
        return len(self.said) == 2

    def fork(self):
        copy = type(self)()
        copy.said = list(self.said)
        return copy

    def digest(self):
        return str(self.said)

    def outcome(self, task):
        return float(len(self.said) == 2 and all(self.said))


class Toys(Domain):
    comparator = ToyComparator()

    def __init__(self, name):
        self.name = name

    def world(self):
        return ToyWorld()

    def executable(self, origin):
        return False

    def acts(self, action):
        return True

    def tasks(self):
        return [task for split in ("train", "eval") for task in ToyDomain(self.name).tasks(split)]


class ToyDomain:
    max_steps = 3

    def __init__(self, name):
        self.name = name

    @contextmanager
    def serve(self, pivots=()):
        with BackgroundServer(Toys(self.name), pivots=pivots) as server, Client(server.url) as client:
            yield client

    def tasks(self, split):
        asked = [(f"{self.name}-{split}-{n}", f"{self.name} {split} {n}") for n in range(10)]
        origin = Origin(kind="even")
        return [
            Task(id=id, origin=origin, messages=[Message(role="user", content=text)], tools=[]) for id, text in asked
        ]

    def experts(self, split, seed, count=None):
        return [
            Trajectory(
                id=f"{task.id}-{seed}",
                domain=self.name,
                origin=Origin(kind="even"),
                messages=[
                    *task.messages,
                    Message(role="assistant", content="bd"[seed % 2]),
                    Message(role="user", content="go on"),
                    Message(role="assistant", content="fh"[seed % 2]),
                ],
            )
            for task in self.tasks(split)[:count]
        ]


class ToySource:
    def domain(self, name):
        return ToyDomain(name)

    def pretrained(self, folder):
        folder = Path(folder) / "pretrained"
        return folder if folder.exists() else make_text_policy().save(folder)

    def passages(self, count):
        return [f"The river runs {n} miles." for n in range(count)]


def toy_config(**changes) -> StudyConfig:
    """The shipped arms at the size of a toy."""
    sizes = {
        "domains": ("here", "there"),
        "text_rules": dict.fromkeys(("here", "there"), "nemo_gym.single_step_tool_use_with_argument_comparison"),
        "seeds": 1,
        "warmup": {"trajectories": 3, "sft": {"epochs": 1, "lr": 1e-3}},
        "data": {
            "candidates": 12,
            "eval_pivots": 6,
            "eval_tasks": 6,
            "repeats": 1,
            "curve_tasks": 4,
            "checkpoints": 2,
            "prompts": 3,
            "passages": 2,
            "audited": 20,
        },
        "profile": {"k": 4, "max_new_tokens": 8},
        "filter": {"lambda_diff": 0.9},
        "grpo": {"steps": 2, "pivots_per_step": 4, "group_size": 4, "lr": 1e-3, "max_new_tokens": 8},
        "episodes": {"turns": 40, "tasks_per_step": 2, "group_size": 4, "lr": 1e-3, "max_new_tokens": 8},
        "evaluate": {"samples": 2, "max_new_tokens": 8},
    }
    return StudyConfig.model_validate({**load_study().model_dump(mode="json"), **sizes, **changes})
