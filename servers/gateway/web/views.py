"""What each view shows: from the gateway and the runs' files to plain values, which are the view's JSON twin.

Owns: these values. Does not own: their looks (`pages`), or trying an action (`trying`).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

import pivotgym
from pivotgym.core.errors import InputError, NotFound, Warming
from pivotgym.core.jsonl import describe
from pivotgym.core.samples import PivotSamples
from pivotgym.core.trajectory import Pivot
from pivotgym.servers.endpoint import Call
from pivotgym.servers.gateway.web import logs
from pivotgym.servers.gateway.web.lines import Read, Row, clean, is_number
from pivotgym.servers.gateway.web.models import (
    Curve,
    DomainShown,
    Overview,
    PivotList,
    PivotRow,
    PivotView,
    ProfileShown,
    RunList,
    RunShown,
    RunView,
    ServerShown,
    SessionShown,
    Training,
)
from pivotgym.servers.gateway.web.runs import Run, changed
from pivotgym.servers.gateway.web.shown import CallShown, SampleShown, show_action, show_message, show_samples, text_of

if TYPE_CHECKING:
    from pivotgym.servers.gateway.service import Gateway

PAGE = 50
"""Pivots on one page of the list."""
MOST_QUERY = 200
"""Characters of a search, as the document and the form say, too."""
METADATA_S = 1.5
"""The overview waits so long for what a domain says of itself, seconds."""
CURVES = (
    ("reward_mean", "Reward", "mean reward of the sampled actions"),
    ("kl", "KL", "to the reference policy, nats a token"),
    ("zero_variance_share", "Groups without variance", "share whose rewards are equal"),
    ("masked", "Masked samples", "actions left out of the step"),
    ("loss", "Loss", "of the update"),
)
MOST_POINTS = 500


async def overview(gateway: Gateway, call: Call) -> Overview:
    """Domains, the servers behind each, sessions, runs."""
    call.query()
    domains = await asyncio.gather(*(_domain(gateway, name) for name in gateway.upstreams))
    placed = gateway.placed.newest(50)
    now = time.monotonic()
    sessions = [
        SessionShown(
            id=clean(one.id),
            domain=one.domain,
            server=one.server,
            by=one.by,
            age_s=now - one.at,
            idle_s=now - one.last,
        )
        for one in placed
    ]
    runs = await asyncio.to_thread(_run_list, gateway)
    return Overview(
        version=pivotgym.__version__,
        domains=list(domains),
        sessions=sessions,
        more_sessions=len(gateway.placed) - len(sessions),
        runs=runs[:8],
    )


async def _domain(gateway: Gateway, name: str) -> DomainShown:
    from pivotgym.servers.gateway.service import status_of

    upstream = gateway.upstreams[name]
    said: dict[str, Any] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(METADATA_S):
            said = (await status_of(upstream)).metadata or {}
    servers = [
        ServerShown(
            id=replica.tag,
            address=str(replica.address),
            state=replica.state,
            why=clean(replica.why) if replica.why else None,
            pivots=replica.pivots,
            in_flight=replica.in_flight,
        )
        for replica in upstream.replicas.values()
    ]
    ready = sum(server.state == "ready" for server in servers)
    return DomainShown(
        name=name,
        description=clean(said.get("description", ""))[:600],
        version=clean(said.get("version", ""))[:40],
        state="not ready" if not ready else "ready" if ready == len(servers) else "partly ready",
        troubles={clean(where): clean(why) for where, why in upstream.troubles().items()},
        servers=servers,
    )


def _run_list(gateway: Gateway) -> list[RunShown]:
    return [_run_shown(run) for run in gateway.runs.all()]


def _run_shown(run: Run) -> RunShown:
    stages = [name for name, path in (("profile", run.profiled), ("pivot set", run.kept)) if path is not None]
    return RunShown(
        name=run.name,
        path=str(run.folder.relative_to(run.root)),
        stages=[*stages, *run.logs(), *(["evaluation"] if run.file("eval.jsonl") else [])],
        changed_s=max(0.0, time.time() - changed(run)),
        report=run.report is not None,
    )


async def run_list(gateway: Gateway, call: Call) -> RunList:
    """All runs, the one that changed last first."""
    call.query()
    root = gateway.runs.root
    return RunList(folder=clean(root) if root else None, runs=await asyncio.to_thread(_run_list, gateway))


async def run_view(gateway: Gateway, call: Call) -> RunView:
    """A run: its curves, its profile, its stages and evaluations."""
    call.query()
    run = await asyncio.to_thread(gateway.runs.get, call.path["run"])
    profiled = await gateway.shelf.read(run.profiled) if run.profiled is not None else None
    kept = await gateway.shelf.read(run.kept, True) if run.kept is not None else None
    reading = (run.profiled is not None and profiled is None) or (run.kept is not None and kept is None)
    return await asyncio.to_thread(_run_view, run, profiled, kept, reading)


def _run_view(run: Run, profiled: Read | None, kept: Read | None, reading: bool) -> RunView:
    file = run.file("config.yaml")
    config = logs.settings(file) if file is not None else {}
    stages, arms = run.file("stages.jsonl"), run.file("eval.jsonl")
    last = changed(run)
    named = ("domain", "policy", "format", "rule", "seed")
    return RunView(
        name=run.name,
        revision=f"{last:.6f}{'+' if reading else ''}",
        changed_s=max(0.0, time.time() - last),
        reading=reading,
        settings={name: clean(config[name])[:200] for name in named if config.get(name) is not None},
        stages=logs.stages(stages) if stages is not None else [],
        training=[made for stage, path in run.logs().items() if (made := _training(stage, logs.steps(path)))],
        profile=_profile(profiled, kept, run, config) if profiled is not None and profiled.rows else None,
        arms=logs.arms(arms) if arms is not None else [],
        pivots=len(kept.rows) if kept is not None else None,
        report=run.report is not None,
    )


def _training(stage: str, steps: list[dict[str, float]]) -> Training | None:
    if not steps:
        return None
    curves = []
    for name, title, what in CURVES:
        points = [(row["step"], row[name]) for row in steps if name in row]
        every = -(-len(points) // MOST_POINTS) or 1
        thinned = points[::-1][::every][::-1]  # the newest is always among them
        if points:
            curves.append(
                Curve(
                    name=name,
                    title=title,
                    what=what,
                    steps=[step for step, _ in thinned],
                    values=[value for _, value in thinned],
                )
            )
    return Training(stage=stage, step=steps[-1]["step"], curves=curves)


def _profile(profiled: Read, kept: Read | None, run: Run, config: dict[str, Any]) -> ProfileShown:
    bins, flat = [0] * 10, [0] * 10
    for row in profiled.rows.values():
        mean = row.mean
        if mean is not None:
            place = min(9, int(mean * 10 + 1e-9))
            bins[place] += 1
            flat[place] += not row.varies
    rules = config.get("filter")
    rules = rules if isinstance(rules, dict) else {}
    limit = rules.get("lambda_diff")
    account = run.file("filter.json", "pivots.json")
    dropped = logs.settings(account).get("dropped") if account is not None else None
    return ProfileShown(
        candidates=sum(bins),
        bins=bins,
        flat=flat,
        kept=len(kept.rows) if kept is not None else None,
        rule=clean(rules["rule"])[:40] if "rule" in rules else None,
        lambda_diff=float(limit) if is_number(limit) else None,
        dropped={clean(why)[:200]: int(count) for why, count in dropped.items() if is_number(count)}
        if isinstance(dropped, dict)
        else {},
    )


async def pivot_list(gateway: Gateway, call: Call) -> PivotList:
    """A page of a run's pivots: those whose id, state or action has the text `q`; `kept` is `yes`, `no` or empty."""
    asked = call.query("page", "q", "kept")
    page, q, kept = "1" if asked["page"] is None else asked["page"], asked["q"] or "", asked["kept"] or ""
    if not (page.isascii() and page.isdigit() and len(page) < 10):
        raise InputError(f"page: expected a number from 1, got {page[:100]!r}")
    if len(q) > MOST_QUERY:
        raise InputError(f"q: expected at most {MOST_QUERY} characters, got {len(q)}", hint="search for a part of it")
    if kept not in ("", "yes", "no"):
        raise InputError(f"kept: expected 'yes', 'no' or nothing, got {kept[:100]!r}")
    run = await asyncio.to_thread(gateway.runs.get, call.path["run"])
    view = PivotList(
        run=run.name,
        file=None,
        reading=None,
        total=0,
        found=0,
        page=1,
        pages=1,
        q=clean(q),
        kept=kept,
        bad=0,
        reasons=[],
        pivots=[],
    )
    if run.pivots is None:
        return view
    view.file = run.pivots.name
    read, ids = await _rows(gateway, run)
    if read is None:
        view.reading = gateway.shelf.index(run.pivots).progress
        return view
    needle = q.casefold()
    found = [row for row in read.rows.values() if _fits(row, needle, kept, ids)]
    view.total, view.found, view.bad, view.reasons = len(read.rows), len(found), read.bad, list(read.reasons)
    view.pages = -(-len(found) // PAGE) or 1
    view.page = min(max(1, int(page)), view.pages)
    start = (view.page - 1) * PAGE
    view.pivots = [_pivot_row(row, ids) for row in found[start : start + PAGE]]
    return view


async def _rows(gateway: Gateway, run: Run) -> tuple[Read | None, frozenset[str] | None]:
    """The rows of the run's list, and the ids of its pivot set, where there is one."""
    assert run.pivots is not None
    read = await gateway.shelf.read(run.pivots)
    if run.kept is None or run.kept == run.pivots:
        return read, None
    kept = await gateway.shelf.read(run.kept, True)
    return (read, frozenset(kept.rows)) if kept is not None else (None, None)


def _fits(row: Row, needle: str, kept: str, ids: frozenset[str] | None) -> bool:
    if kept and ids is not None and (row.id in ids) != (kept == "yes"):
        return False
    return not needle or any(needle in text.casefold() for text in (row.id, row.state, row.action))


def _pivot_row(row: Row, ids: frozenset[str] | None) -> PivotRow:
    rewards = row.rewards
    return PivotRow(
        id=row.id,
        domain=row.domain,
        state=row.state,
        action=row.action,
        mean=row.mean,
        scored=len(rewards) - rewards.count(None) if rewards is not None else None,
        masked=rewards.count(None) if rewards is not None else None,
        kept=row.id in ids if ids is not None else None,
    )


async def find_pivot(gateway: Gateway, run_name: str, pivot_id: str) -> tuple[Run, Row, Pivot]:
    """A pivot of a run.

    Raises:
        NotFound: If there is no such run or pivot.
        InputError: If the file's line is no pivot.
        Warming: While the file is being read for the first time.
    """
    run = await asyncio.to_thread(gateway.runs.get, run_name)
    read = (await _rows(gateway, run))[0] if run.pivots is not None else Read()
    if read is None:
        raise Warming("pivots: the run's file is still being read for the first time", retry_after_s=2.0)
    row = read.rows.get(pivot_id)
    if row is None or run.pivots is None:
        few = ", ".join(list(read.rows)[:5]) or "none"
        raise NotFound(
            f"pivot: no pivot {pivot_id[:200]!r} among the {len(read.rows)} of {run.name!r}; the first are: {few}",
            hint=f"/ui/runs/{run.name}/pivots lists them",
        )
    record = await asyncio.to_thread(gateway.shelf.index(run.pivots).record, row)
    try:
        return run, row, Pivot.model_validate(record)
    except ValidationError as error:
        raise InputError(f"{run.pivots.name}: the line of {row.id!r} is no pivot: {describe(error)}") from error


async def pivot_view(gateway: Gateway, call: Call) -> PivotView:
    """A pivot: the state as a chat, the expert's action, the sampled actions with their verdicts."""
    call.query()
    run, row, pivot = await find_pivot(gateway, call.path["run"], call.path["pivot_id"])
    read, ids = await _rows(gateway, run)
    order = list(read.rows) if read is not None else [row.id]
    place = order.index(row.id)
    profile = pivot.profile
    samples, reading = await _samples(gateway, run, row, pivot)
    return PivotView(
        run=run.name,
        id=row.id,
        domain=pivot.domain,
        source=clean(pivot.source) if pivot.source else None,
        licence=clean(pivot.licence) if pivot.licence else None,
        origin=text_of(pivot.origin.model_dump())[:4000],
        messages=[show_message(message) for message in pivot.messages],
        tools=[CallShown(name=clean(tool.name), arguments=text_of(tool.parameters)[:4000]) for tool in pivot.tools],
        tool_descriptions={clean(tool.name): clean(tool.description)[:2000] for tool in pivot.tools},
        expert=show_action(pivot.reference),
        rewards=list(profile.rewards) if profile is not None else None,
        mean=profile.mean if profile is not None else None,
        variance=profile.variance if profile is not None else None,
        policy=clean(profile.policy) if profile is not None else None,
        format=clean(profile.format) if profile is not None else None,
        kept=row.id in ids if ids is not None else None,
        samples=samples,
        reading=reading,
        served=pivot.domain in gateway.upstreams,
        before=order[place - 1] if place else None,
        after=order[place + 1] if place + 1 < len(order) else None,
    )


async def _samples(gateway: Gateway, run: Run, row: Row, pivot: Pivot) -> tuple[list[SampleShown] | None, bool]:
    """What was sampled there, and whether the file is still being read.

    `None` where the run kept no samples, or kept them for another state of that name.
    """
    if run.samples is None:
        return None, False
    read = await gateway.shelf.read(run.samples, True)
    there = read.rows.get(row.id) if read is not None else None
    if there is None:
        return None, read is None
    record = await asyncio.to_thread(gateway.shelf.index(run.samples, True).record, there)
    try:
        kept = PivotSamples.model_validate(record)
    except ValidationError as error:
        raise InputError(f"{run.samples.name}: the line of {row.id!r} holds no samples: {describe(error)}") from error
    return (show_samples(kept) if kept.pivot_digest == pivot.digest else None), False
