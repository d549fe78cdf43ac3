"""What the views answer: the schemas of the JSON twins.

Owns: these schemas. Does not own: filling them (`views`), or those of messages and verdicts (`shown`).
"""

from __future__ import annotations

from typing import Any, Literal

from pivotgym.servers.gateway.web.shown import CallShown, MessageShown, SampleShown, Shown, VerdictShown


class ServerShown(Shown):
    """One server of a domain."""

    id: str
    address: str
    state: str
    why: str | None
    pivots: int | None
    in_flight: int


class DomainShown(Shown):
    """A domain and how it is."""

    name: str
    description: str
    version: str
    state: Literal["ready", "partly ready", "not ready"]
    troubles: dict[str, str]
    servers: list[ServerShown]


class SessionShown(Shown):
    """A session that this gateway placed and that was not ended through it."""

    id: str
    domain: str
    server: str
    by: str
    age_s: float
    idle_s: float


class RunShown(Shown):
    """A run in a list; `changed_s` is the time since its files changed."""

    name: str
    path: str
    stages: list[str]
    changed_s: float
    report: bool


class Overview(Shown):
    """What stands behind the gateway."""

    version: str
    domains: list[DomainShown]
    sessions: list[SessionShown]
    more_sessions: int
    runs: list[RunShown]


class RunList(Shown):
    """All runs; `folder` is `None` where the gateway was given none."""

    folder: str | None
    runs: list[RunShown]


class Curve(Shown):
    """A figure of a training log, by step."""

    name: str
    title: str
    what: str
    steps: list[float]
    values: list[float]


class Training(Shown):
    """One training stage: its steps and curves."""

    stage: str
    step: float
    curves: list[Curve]


class ProfileShown(Shown):
    """The profile of a run's candidates.

    Attributes:
        candidates: How many were profiled.
        bins: Candidates by mean reward, in ten bins of [0, 1], the last closed.
        flat: Of them, those without variance, which the filter drops.
        kept: How many the pivot set has, `None` where there is none yet.
        rule: The filter's rule, and its threshold `lambda_diff`, where the settings say.
    """

    candidates: int
    bins: list[int]
    flat: list[int]
    kept: int | None
    rule: str | None
    lambda_diff: float | None
    dropped: dict[str, int]


class RunView(Shown):
    """A run; `revision` changes when its files do."""

    name: str
    revision: str
    changed_s: float
    reading: bool
    settings: dict[str, str]
    stages: list[dict[str, Any]]
    training: list[Training]
    profile: ProfileShown | None
    arms: list[dict[str, Any]]
    pivots: int | None
    report: bool


class PivotRow(Shown):
    """A pivot in a list."""

    id: str
    domain: str
    state: str
    action: str
    mean: float | None
    scored: int | None
    masked: int | None
    kept: bool | None


class PivotList(Shown):
    """A page of a run's pivots; `reading` is a share while the file is read for the first time."""

    run: str
    file: str | None
    reading: float | None
    total: int
    found: int
    page: int
    pages: int
    q: str
    kept: str
    bad: int
    reasons: list[str]
    pivots: list[PivotRow]


class PivotView(Shown):
    """A pivot: its state, the expert's action, what was sampled there; `reading` while the samples are being read."""

    run: str
    id: str
    domain: str
    source: str | None
    licence: str | None
    origin: str
    messages: list[MessageShown]
    tools: list[CallShown]
    tool_descriptions: dict[str, str]
    expert: MessageShown
    rewards: list[float | None] | None
    mean: float | None
    variance: float | None
    policy: str | None
    format: str | None
    kept: bool | None
    samples: list[SampleShown] | None
    reading: bool
    served: bool
    before: str | None
    after: str | None


class Tried(Shown):
    """What the domain's server said of an action that was tried."""

    run: str
    id: str
    text: str
    format: str
    read_as: MessageShown | None
    verdict: VerdictShown
