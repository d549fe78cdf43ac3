"""Messages, actions and verdicts as a page shows them: text, never too much of it, what differed side by side.

Owns: that shape. Does not own: looks (`templates`), or the records (`core`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict

from pivotgym.core.messages import Action, Malformed, Message, ToolCall
from pivotgym.core.samples import PivotSamples, Sample
from pivotgym.core.trajectory import Verdict
from pivotgym.servers.gateway.web.lines import clean

MOST_TEXT = 20_000
"""Characters of one text that are shown."""
MOST_ROWS = 60
_SIDES = (("expert", "candidate"), ("expected", "got"))


class Shown(BaseModel):
    """Base of what twins answer."""

    model_config = ConfigDict(extra="forbid")


class CallShown(Shown):
    """A tool call; its arguments as indented JSON, or as they were written."""

    name: str
    arguments: str


class MessageShown(Shown):
    """A message; `cut` says how many characters of its text are left out."""

    role: str
    name: str | None = None
    text: str = ""
    cut: int = 0
    reasoning: str | None = None
    calls: list[CallShown] = []


class EvidenceRow(Shown):
    """One thing the verifier looked at: what the expert left and what the candidate did, or one note."""

    what: str
    expert: str | None = None
    candidate: str | None = None
    note: str | None = None


class VerdictShown(Shown):
    """A verdict with its evidence as rows."""

    reward: float
    outcome: str
    method: str
    executed: bool
    reason: str
    truncated: bool
    components: dict[str, float]
    evidence: list[EvidenceRow]


class SampleShown(Shown):
    """A sampled action, how often it was sampled, and what was said of it."""

    times: int
    action: MessageShown | None
    malformed: str | None = None
    verdict: VerdictShown | None = None
    error: str | None = None


def text_of(value: Any) -> str:
    """A value as text: JSON where it is no text, indented where it is long."""
    if isinstance(value, str):
        return clean(value)
    short = json.dumps(value, ensure_ascii=False, default=str)
    return clean(short if len(short) <= 60 else json.dumps(value, ensure_ascii=False, indent=2, default=str))


def cut(text: str) -> str:
    """The beginning of a text, with a word on what is left out."""
    left = len(text) - MOST_TEXT
    return text if left <= 0 else f"{text[:MOST_TEXT]}\n… {left:,} more characters"


def show_message(message: Message) -> MessageShown:
    """A message of a state."""
    text = clean(message.text)
    return MessageShown(
        role=message.role,
        name=clean(message.name) if message.name else None,
        text=text[:MOST_TEXT],
        cut=max(0, len(text) - MOST_TEXT),
        reasoning=cut(clean(message.reasoning)) if message.reasoning else None,
        calls=[show_call(call) for call in message.tool_calls or ()],
    )


def show_call(call: ToolCall) -> CallShown:
    """A tool call."""
    return CallShown(name=clean(call.name), arguments=cut(text_of(call.arguments)))


def show_action(action: Action) -> MessageShown:
    """An action, as the message it is."""
    return show_message(action.to_message())


def show_verdict(verdict: Verdict) -> VerdictShown:
    """A verdict."""
    return VerdictShown(
        reward=verdict.reward,
        outcome=verdict.outcome,
        method=clean(verdict.method),
        executed=verdict.executed,
        reason=cut(clean(verdict.reason)),
        truncated=verdict.truncated,
        components={clean(name): value for name, value in verdict.components.items()},
        evidence=evidence_rows(verdict.evidence),
    )


def evidence_rows(evidence: dict[str, Any]) -> list[EvidenceRow]:
    """Evidence as rows: wherever there are two sides, they stand beside each other under the path that leads there."""
    rows: list[EvidenceRow] = []
    for row in _rows(evidence, "", 0):
        rows.append(row)
        if len(rows) == MOST_ROWS:
            rows.append(EvidenceRow(what="…", note="more is in the JSON of this page's run file"))
            break
    return rows


def _rows(value: Any, path: str, depth: int) -> Iterator[EvidenceRow]:
    what = path or "evidence"
    if not isinstance(value, dict) or depth > 4:
        yield EvidenceRow(what=what, note=cut(text_of(value)))
        return
    rest = {clean(key): one for key, one in value.items()}
    sides = _sides(rest)
    if sides is not None:
        ours, theirs, rest_of_name = sides
        named = f"{what} › {rest_of_name}" if rest_of_name else what
        yield from _beside(named, rest.pop(ours), rest.pop(theirs))
    for key, one in rest.items():
        yield from _rows(one, f"{path} › {key}" if path else key, depth + 1)


def _sides(value: dict[str, Any]) -> tuple[str, str, str] | None:
    """The two keys that hold the two sides, and what follows in both names, as in `expert_changed`."""
    for ours, theirs in _SIDES:
        for key in value:
            other = theirs + key[len(ours) :]
            if key.startswith(ours) and other in value:
                return key, other, key[len(ours) :].strip("_ ")
    return None


def _beside(what: str, ours: Any, theirs: Any) -> Iterator[EvidenceRow]:
    """Two sides; two objects key by key, as far as they differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours and theirs:
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            if ours.get(key) != theirs.get(key):
                yield _pair(f"{what} › {clean(key)}", ours.get(key), theirs.get(key))
        return
    yield _pair(what, ours, theirs)


def _pair(what: str, ours: Any, theirs: Any) -> EvidenceRow:
    sides = ["(nothing)" if side is None or side == "" else cut(text_of(side)) for side in (ours, theirs)]
    return EvidenceRow(what=what, expert=sides[0], candidate=sides[1])


def show_samples(kept: PivotSamples) -> list[SampleShown]:
    """The sampled actions, equal ones once."""
    counts: dict[str, int] = {}
    firsts: dict[str, Sample] = {}
    for sample in kept.samples:
        key = repr((sample.action, sample.verdict, sample.error))
        counts[key] = counts.get(key, 0) + 1
        firsts.setdefault(key, sample)
    return [_show_sample(sample, counts[key]) for key, sample in firsts.items()]


def _show_sample(sample: Sample, times: int) -> SampleShown:
    action = sample.action
    error = sample.error
    return SampleShown(
        times=times,
        action=show_action(action) if isinstance(action, Action) else None,
        malformed=cut(clean(action.text)) if isinstance(action, Malformed) else None,
        verdict=show_verdict(sample.verdict) if sample.verdict is not None else None,
        error=clean(f"{error.get('code', 'error')}: {error.get('message', '')}") if error is not None else None,
    )
