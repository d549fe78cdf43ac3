"""Run folders as the command line leaves them, with the toy domain's pivots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from toy_domain import call, make_pivot

from pivotgym.core.jsonl import write_records
from pivotgym.core.messages import Action, Malformed, Message
from pivotgym.core.samples import PivotSamples, Sample
from pivotgym.core.trajectory import Origin, Pivot, Profile, Sampling, Verdict

RED, BLUE = call("set", key="color", value="red"), call("set", key="color", value="blue")
REWARDS = ((1.0, 0.0, 1.0, None), (0.0, 0.0, 0.0, 0.0), (1.0, 1.0, 1.0, 1.0), (0.0, 1.0, 0.0, 0.0))
SAME = Verdict(reward=1.0, outcome="equivalent", method="execution", executed=True, reason="both leave the same store")
OTHER = Verdict(
    reward=0.0,
    outcome="different",
    method="execution",
    executed=True,
    components={"state": 0.0, "results": 1.0},
    reason="the store afterwards differs",
    evidence={
        "files": {"color.txt": {"expert": "red\n", "candidate": "blue\n"}},
        "state": {"expert_changed": True, "candidate_changed": True},
        "results": {"expert": ["red"], "candidate": ["blue"]},
        "note": "two rows",
    },
)
UNREAD = Verdict(reward=0.0, outcome="invalid", method="parse", executed=False, reason="expected a call, got prose")


def profiled(number: int, **fields: Any) -> Pivot:
    """A pivot whose rewards go round through `REWARDS`."""
    talk = [
        Message(role="user", content=f"paint it red, please ({number})"),
        Message(role="assistant", content="Let me look.", tool_calls=[call("get", key="color").tool_calls[0]]),
        Message(role="tool", content="blue", name="get"),
    ]
    origin = Origin(kind="store", values={"color": "blue"})
    return with_profile(
        make_pivot(number, **{"messages": talk, "origin": origin, **fields}), REWARDS[number % len(REWARDS)]
    )


def with_profile(pivot: Pivot, rewards: tuple[float | None, ...]) -> Pivot:
    made = Profile(pivot_digest=pivot.digest, rewards=rewards, policy="a" * 64, format="hermes/1", sampling=Sampling())
    return pivot.with_profile(made)


def samples_of(pivot: Pivot) -> PivotSamples:
    """Samples that earned the pivot's rewards: right calls, wrong ones, and the first 0 as text that is no action."""
    assert pivot.profile is not None
    made: list[Sample] = []
    for place, reward in enumerate(pivot.profile.rewards):
        if reward is None:
            made.append(Sample(action=BLUE, error={"code": "world_failed", "message": "the store caught fire"}))
        elif reward == 1.0:
            made.append(Sample(action=RED, verdict=SAME))
        elif place == 0:
            made.append(Sample(action=Malformed(text="I would paint it", reason="prose"), verdict=UNREAD))
        else:
            made.append(Sample(action=BLUE, verdict=OTHER))
    return PivotSamples(pivot_id=pivot.id, pivot_digest=pivot.digest, samples=made)


def write_run(folder: Path, pivots: list[Pivot], steps: int = 12) -> Path:
    """A whole run of these pivots: profile, samples, pivot set, training log, evaluation, stages, report."""
    folder.mkdir(parents=True, exist_ok=True)
    write_records(folder / "profile.jsonl", pivots)
    write_records(folder / "profile.samples.jsonl", [samples_of(pivot) for pivot in pivots if pivot.profile])
    write_records(folder / "pivots.jsonl", [p for p in pivots if p.profile and p.profile.variance > 0])
    write_records(folder / "grpo" / "log.jsonl", [log_line(step) for step in range(1, steps + 1)])
    rows = [{"arm": arm, "pivot_id": p.id, "rewards": [r]} for arm, r in (("sft", 0.0), ("grpo", 1.0)) for p in pivots]
    write_records(folder / "eval.jsonl", rows)
    stages = [("profile", 183.2, f"{len(pivots)} candidates, 4 samples each"), ("grpo", 240.0, f"{steps} steps")]
    write_records(folder / "stages.jsonl", [{"stage": s, "wall_s": w, "cpu_s": w, "line": t} for s, w, t in stages])
    (folder / "config.yaml").write_text("domain: toy\npolicy: tiny\nfilter: {rule: pivots, lambda_diff: 0.6}\n")
    (folder / "filter.json").write_text(json.dumps({"dropped": {"all failed (variance 0)": 1}}))
    (folder / "report.html").write_text(
        "<title>The report</title><h1>The report</h1><script>document.title='!'</script>"
    )
    return folder


def log_line(step: int) -> dict[str, float]:
    """One step of a training log."""
    return {
        "step": step,
        "loss": 0.1 / step,
        "kl": 0.01 * step,
        "reward_mean": min(1.0, 0.3 + 0.04 * step + 0.05 * (step % 3)),
        "zero_variance_share": max(0.0, 0.6 - 0.03 * step),
        "masked": float(step % 4 == 0),
    }


def said(text: str) -> Action:
    """An action that only says something."""
    return Action(content=text)
