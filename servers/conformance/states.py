"""Checks of states: they can be rebuilt, are the same each time, and no session sees another.

Owns: these checks. Does not own: what is done in a state (`conformance.verdicts`, `conformance.outcomes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from pivotgym.core.trajectory import Pivot
from pivotgym.envs.base.contract import World
from pivotgym.envs.base.runtime import Runtime
from pivotgym.servers.client.sync import Session
from pivotgym.servers.conformance.findings import Broken, Finding, NotMade, check, counted, each
from pivotgym.servers.conformance.subject import Subject, digest_of

ORDER = "`World.digest`: sort what has no order, leave out times, ids of objects and random names"
COPIES = "`World.fork` and `World.start`: each world needs values of its own, nothing on the class or the module"


@check("Every pivot's state can be rebuilt, and its expert action is worth 1 there.", "`World.start` and `World.run`")
def replayable(subject: Subject) -> str:
    """`POST /pivots/prepare` refuses none."""
    if not subject.pivots:
        raise NotMade("there is no pivot to look at")
    prepared = subject.client.prepare([pivot.id for pivot in subject.pivots], timeout_s=subject.timeout_s)
    findings = [
        Finding(
            f"pivot {pivot_id}",
            "that its prefix replays and its expert is accepted",
            f"{error.code}: {error}",
            "the origin, the seed and the recorded observations, then `World.run`",
        )
        for pivot_id, error in prepared.refused.items()
    ]
    if findings:
        raise Broken(*findings)
    return f"{counted(len(subject.pivots), 'pivot')}, executed: {len(prepared.executable)}"


@check("A state that is built anew, also in another process, has the same digest.", ORDER)
def same_seed(subject: Subject) -> str:
    """Two runtimes that share nothing, and the server, agree on each state's digest."""
    domain = subject.domain
    if domain is None:
        raise NotMade("a server keeps the states it has built: check the domain by its name or folder")
    first, second = Runtime(domain), Runtime(domain)

    def look(start: dict[str, str]) -> None:
        with subject.session(**start) as session:
            found = {"the server's": digest_of(session)}
        for name, runtime in (("one of a fresh runtime", first), ("one of another", second)):
            opened = pivots[start["pivot_id"]] if "pivot_id" in start else runtime.task(start["task_id"])
            with closing(runtime.open(opened)) as episode:
                found[name] = episode.digest()
        _all_equal(_called(start), found, ORDER)

    pivots = {pivot.id: pivot for pivot in subject.pivots}
    with closing(first), closing(second):
        return each(subject.starts(), look, "start", ORDER, _called)


@check("Two resets to the same state show the same: digest, observation and info.", ORDER)
def reset_twice(subject: Subject) -> str:
    """Also with a seed other than 0."""

    def look(start: dict[str, str]) -> None:
        for seed in (0, 7):
            with subject.session(**start, seed=seed) as one, subject.session(**start, seed=seed) as two:
                where = f"{_called(start)}, seed {seed}"
                _all_equal(where, {"the first reset": digest_of(one), "the second": digest_of(two)}, ORDER)
                shown = {"the first reset": one.observation, "the second": two.observation}
                _all_equal(f"{where}, observation", shown, "what the messages of a start are made of")
                if one.info != two.info:
                    raise Broken(
                        Finding(where, "equal infos", "different ones", "what `info` holds: no times, ids or figures")
                    )

    return each(subject.starts(), look, "start", ORDER, _called)


@check("What is done in one session shows in no other, and verdicts change no state.", COPIES)
def isolated(subject: Subject) -> str:
    """The expert's action in one session, and a verdict, leave a second and a third as they are."""

    def look(pivot: Pivot) -> None:
        with subject.session(pivot_id=pivot.id) as one, subject.session(pivot_id=pivot.id) as two:
            before = digest_of(two)
            one.step(pivot.reference)
            subject.client.verify(pivot.id, pivot.reference)
            found = {"before": before, "in the second session after the expert's action in the first": digest_of(two)}
            with subject.session(pivot_id=pivot.id) as three:
                found["in a new session after that"] = digest_of(three)
            _all_equal(f"pivot {pivot.id}", found, COPIES)

    return each(subject.pivots, look, "pivot", COPIES, _named)


@check("A fork begins as its parent is, and from then on neither changes the other.", COPIES)
def fork_independent(subject: Subject) -> str:
    """At pivots over HTTP; where the domain is at hand, in its worlds too."""
    runtime = Runtime(subject.domain) if subject.domain is not None else None

    def look(pivot: Pivot) -> None:
        with subject.session(pivot_id=pivot.id) as parent, parent.fork() as fork:
            _fork_over_http(pivot, parent, fork)
        if runtime is not None and runtime.domain.executable(pivot.origin):
            _fork_of_worlds(runtime, pivot)

    try:
        return each(subject.pivots, look, "pivot", COPIES, _named)
    finally:
        if runtime is not None:
            runtime.close()


def _fork_over_http(pivot: Pivot, parent: Session, fork: Session) -> None:
    where = f"pivot {pivot.id}"
    before = digest_of(parent)
    _all_equal(where, {"the parent's digest": before, "its fork's": digest_of(fork)}, COPIES)
    fork.step(pivot.reference)
    state = parent.describe()["state"]
    if state != "live":
        raise Broken(Finding(where, "a parent that is live after its fork has ended", state, "`Episode.fork`"))
    _all_equal(where, {"before": before, "the parent's after its fork acted": digest_of(parent)}, COPIES)
    fork.close()
    parent.step(pivot.reference)


def _fork_of_worlds(runtime: Runtime, pivot: Pivot) -> None:
    """Either of a world and its fork acts; the other must stay as it was, also once the first is closed."""
    for actor in ("fork", "parent"):
        with _two_worlds(runtime, pivot) as (parent, fork):
            before = parent.digest()
            _all_equal(f"pivot {pivot.id}", {"a world's digest": before, "its fork's": fork.digest()}, COPIES)
            acting, other = (fork, parent) if actor == "fork" else (parent, fork)
            acting.run(pivot.reference)
            acting.close()
            found = {"before": before, f"the other's after the {actor} acted and was closed": other.digest()}
            _all_equal(f"pivot {pivot.id}", found, COPIES)


@contextmanager
def _two_worlds(runtime: Runtime, pivot: Pivot) -> Iterator[tuple[World, World]]:
    with closing(runtime.restore(pivot)) as parent, closing(parent.fork()) as fork:
        yield parent, fork


def _all_equal(where: str, found: Mapping[str, str | None], look_at: str) -> None:
    if len(set(found.values())) > 1:
        got = ", ".join(f"{name}: {str(value)[:16]!r}" for name, value in found.items())
        raise Broken(Finding(where, "the same each time", got, look_at))


def _named(pivot: Pivot) -> str:
    return f"pivot {pivot.id}"


def _called(start: dict[str, str]) -> str:
    kind, name = next(iter(start.items()))
    return f"{kind.removesuffix('_id')} {name}"


CHECKS = (replayable, same_seed, reset_twice, isolated, fork_independent)
