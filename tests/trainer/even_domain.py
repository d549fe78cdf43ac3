"""A domain that a tiny random policy can learn: an action is right when its first character has an even code point.

Actions longer than six characters break the verifier, as a judge that cannot be reached would.
"""

from pivotgym.core import Action, Message, Pivot, Verdict
from pivotgym.core.errors import VerifierFailed
from pivotgym.envs.base.contract import Domain, World


class EvenComparator:
    name = "even"

    def screen(self, pivot, action):
        return None

    def compare(self, pivot, expert, candidate):
        raise AssertionError("nothing is executed here")

    def by_rule(self, pivot, action):
        if len(action.content) > 6:
            raise VerifierFailed("the judge did not answer")
        right = ord(action.content[0]) % 2 == 0
        return Verdict(
            reward=float(right), outcome="equivalent" if right else "different", method="even", executed=False
        )


class NoWorld(World):
    def start(self, origin, seed): ...
    def run(self, action): ...
    def fork(self): ...
    def digest(self): ...


class EvenDomain(Domain):
    name = "even"
    comparator = EvenComparator()

    def world(self):
        return NoWorld()


def make_pivots(count):
    return [
        Pivot(
            id=f"run-{number // 2}:{number % 2}",
            domain="even",
            messages=[Message(role="user", content=f"question {number}")],
            reference=Action(content="b"),
        )
        for number in range(count)
    ]
