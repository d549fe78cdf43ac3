"""The study's configuration: every arm and every size from one YAML; `quick` is a smaller set of the same.

Owns: the keys, their ranges, how `quick` changes them. Does not own: what an arm does (`study/arms`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pivotgym.core.canonical import digest
from pivotgym.core.errors import ConfigError
from pivotgym.core.jsonl import describe
from pivotgym.trainer.settings import EvalConfig, FilterConfig, GrpoSettings, ProfileConfig, SftSettings

BASE = "base"
"""The arm that is not trained: the policy that the others start from."""

States = Literal["candidates", "pivots", "drop_easy", "mean_band", "solvable"]
Method = Literal["none", "sft", "s3ft", "grpo", "episodes"]


class Arm(BaseModel):
    """One way to train.

    Attributes:
        title: Its name in tables.
        method: `none`; `sft` on the experts' actions; `s3ft` on the policy's own accepted ones (`study/recipes/s3ft`);
            `grpo` on single actions; `episodes`: GRPO over whole tasks, by their outcomes.
        start: `base`, or the arm whose policy this one starts from.
        states: What `grpo` trains on: every candidate, unprofiled; those that a rule of `trainer/filter` keeps; or
            `solvable` (`study/recipes/rif_rft`).
        rule: What rewards, and profiles: `functional` (execution), `strict` or `text` (the domain's text rule).
            States are chosen by functional profiles under `strict`, as in the paper.
        prefix: Share of a group's actions that continue a prefix of the expert's (`study/recipes/prefix_rft`).
        budget: Share of the turns of the section `episodes` after which it ends.
        recipe: Whether it is taken from neighbouring work.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    method: Method
    start: str = BASE
    states: States = "candidates"
    rule: Literal["functional", "strict", "text"] = "functional"
    prefix: float = Field(default=0.0, ge=0, le=1)
    budget: float = Field(default=1.0, gt=0)
    recipe: bool = False

    @property
    def profiled_by(self) -> Literal["functional", "text"] | None:
        """The rule whose profiles it needs, or `None`."""
        if self.method == "s3ft" or (self.method == "grpo" and self.states != "candidates"):
            return "text" if self.rule == "text" else "functional"
        return None


class WarmupSettings(BaseModel):
    """How the base comes from the pre-trained policy: SFT on a few experts of every domain.

    Attributes:
        trajectories: Of each domain; candidates come from the others.
        sft: The training.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    trajectories: int = Field(default=40, ge=1)
    sft: SftSettings = SftSettings(epochs=2, lr=3e-4)


class DataSettings(BaseModel):
    """How much is trained on and how much is measured, of each domain.

    Attributes:
        candidates: States of the experts' runs, the same for SFT and every kind of single-action RL.
        eval_pivots: Held-out pivots, at most `eval_turns` of one trajectory.
        eval_turns: Of one held-out trajectory.
        eval_tasks: Unseen tasks.
        repeats: Episodes of each unseen task in the final measure.
        curve_tasks: Unseen tasks played at every checkpoint.
        checkpoints: In a run, its end included.
        prompts: Unrelated states at which the policy is compared with the base.
        prompt_actions: The base's actions at each of them.
        passages: Of plain text.
        audited: Accepted and rejected samples of a run that execution scores again, each at most so many.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    candidates: int = Field(default=160, ge=1)
    eval_pivots: int = Field(default=60, ge=1)
    eval_turns: int = Field(default=2, ge=1)
    eval_tasks: int = Field(default=40, ge=1)
    repeats: int = Field(default=2, ge=1)
    curve_tasks: int = Field(default=30, ge=1)
    checkpoints: int = Field(default=4, ge=1)
    prompts: int = Field(default=24, ge=1)
    prompt_actions: int = Field(default=8, ge=3)
    passages: int = Field(default=24, ge=1)
    audited: int = Field(default=200, ge=0)


class EpisodeSettings(BaseModel):
    """End-to-end RL: GRPO over whole episodes of a task.

    Attributes:
        turns: Rollout turns after which a run ends.
        tasks_per_step: Tasks of an update.
        group_size: Episodes of a task.
        temperature: As for single actions.
        lr: Learning rate.
        max_new_tokens: Of one action.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    turns: int = Field(default=10_000, ge=1)
    tasks_per_step: int = Field(default=8, ge=1)
    group_size: int = Field(default=8, ge=2)
    temperature: float = Field(default=1.0, gt=0)
    lr: float = Field(default=1e-4, gt=0)
    max_new_tokens: int = Field(default=64, ge=1)


class StudyConfig(BaseModel):
    """The whole study. Sections of stages are those of `trainer/settings`; seeds in them are replaced by the study's.

    Attributes:
        domains: Where.
        seeds: Seeds 0 to n - 1; each has experts, a base, and runs of its own.
        arms: Name -> arm.
        format: How messages become text.
        text_rules: Domain -> the rule that stands for judging by text.
        base: Settings of the compact policy (`study/base`).
        times: How many times more turns end-to-end RL is given where PivotRL is to match it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    domains: tuple[str, ...]
    seeds: int = Field(default=5, ge=1)
    arms: dict[str, Arm]
    format: str = "smollm"
    text_rules: dict[str, str]
    base: dict[str, Any] = Field(default_factory=dict)
    warmup: WarmupSettings = WarmupSettings()
    data: DataSettings = DataSettings()
    profile: ProfileConfig = ProfileConfig()
    filter: FilterConfig = FilterConfig()
    sft: SftSettings = SftSettings()
    grpo: GrpoSettings = GrpoSettings()
    episodes: EpisodeSettings = EpisodeSettings()
    evaluate: EvalConfig = EvalConfig()
    times: float = Field(default=4.0, gt=0)

    @model_validator(mode="after")
    def _known(self) -> StudyConfig:
        if BASE not in self.arms or self.arms[BASE].method != "none":
            raise ValueError(f"arms: expected {BASE!r} with method 'none' among them, got {sorted(self.arms)}")
        for name, arm in self.arms.items():
            if arm.start not in self.arms or self.arms[arm.start].start != BASE:
                raise ValueError(f"arms.{name}.start: expected {BASE!r} or an arm that starts there, got {arm.start!r}")
        lacking = [name for name in self.domains if name not in self.text_rules]
        if lacking and any(arm.rule == "text" for arm in self.arms.values()):
            raise ValueError(f"text_rules: expected a rule for each domain, got none for {lacking}")
        return self

    def digest_of(self, arm: str) -> str:
        """Fingerprint of all that an arm's line depends on; other arms, seeds and domains may be added later."""
        told = self.model_dump(mode="json", exclude={"arms", "seeds", "times"})
        starts = [self.arms[name].model_dump(mode="json", exclude={"title"}) for name in (arm, self.arms[arm].start)]
        return digest([told, starts])

    def chosen(
        self, arms: Sequence[str] | None, domains: Sequence[str] | None, seeds: int | None
    ) -> tuple[list[str], list[str], int]:
        """The arms (with those they start from, in the configuration's order), domains and seeds of a command.

        Raises:
            ConfigError: If one is not in the configuration.
        """
        for name, asked, known in (("arms", arms, list(self.arms)), ("domains", domains, list(self.domains))):
            odd = [one for one in asked or () if one not in known]
            if odd:
                raise ConfigError(f"{name}: expected some of {known}, got {odd[0]!r}")
        needed = {BASE, *(self.arms[arm].start for arm in arms or self.arms), *(arms or self.arms)}
        order = sorted(needed, key=lambda arm: (self.arms[arm].start != BASE, list(self.arms).index(arm)))
        return order, [one for one in self.domains if domains is None or one in domains], seeds or self.seeds


def load_study(path: str | Path | None = None, *, quick: bool = False) -> StudyConfig:
    """The study's configuration from a file, by default the one shipped.

    Args:
        path: YAML of `StudyConfig`; its key `quick` holds what the quick form changes.
        quick: Whether to change that.

    Raises:
        ConfigError: If the file is not one.
    """
    text = Path(path).read_text() if path is not None else (files("pivotgym.study") / "study.yaml").read_text()
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: expected YAML, got {error}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected a mapping, got {type(raw).__name__}")
    smaller = raw.pop("quick", {})
    try:
        return StudyConfig.model_validate(_merged(raw, smaller) if quick else raw)
    except ValidationError as error:
        raise ConfigError(f"{path or 'study.yaml'}: {describe(error)}") from error


def _merged(known: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The one with the other's values in place of its own, key by key."""
    merged = dict(known)
    for key, value in changes.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
