"""The one configuration of a run: YAML, every key overridable, the resolved form saved beside every output.

Owns: the keys, their defaults, how overrides are read. Does not own: what a stage does with its section.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pivotgym.core.chat_server import ChatServer
from pivotgym.core.errors import ConfigError, NotFound
from pivotgym.core.jsonl import atomic, describe
from pivotgym.trainer.models import SMOLLM2_NAME
from pivotgym.trainer.openrlhf.settings import OpenRlhfSettings
from pivotgym.trainer.settings import (
    EngineSettings,
    EvalConfig,
    FilterConfig,
    GrpoSettings,
    LoraSettings,
    ProfileConfig,
    SftSettings,
)


class DataSettings(BaseModel):
    """How many states of the trajectories `pivotgym demo` uses, and how they are shared out.

    Attributes:
        warmup_share: Share of training trajectories whose turns are for SFT; pivots come from the others, so that the
            reference policy has not seen the states it is profiled on.
        sft_states: Expert turns for SFT.
        profile_states: Candidates to profile.
        eval_pivots: Held-out pivots.
        multi_turn: Share of each that is multi-turn and executed.
        eval_turns: Turns of one held-out trajectory at the most: many trajectories, since intervals go by trajectory.
        max_tools: Tools in a prompt: those the task needs, filled up with others of its classes.
        categories: Of the source's questions; `None` takes all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    warmup_share: float = Field(default=0.4, gt=0, lt=1)
    sft_states: int = Field(default=240, ge=1)
    profile_states: int = Field(default=160, ge=1)
    eval_pivots: int = Field(default=200, ge=1)
    multi_turn: float = Field(default=0.5, ge=0, le=1)
    eval_turns: int = Field(default=2, ge=1)
    max_tools: int = Field(default=8, ge=1)
    categories: list[str] | None = None


class RunConfig(BaseModel):
    """Everything a run needs beside its input files.

    Attributes:
        domain: The environment; started on loopback unless `server` names one that runs.
        server: Base URL of a running environment server.
        server_wait_s: Seconds to wait until that server is ready.
        token: Bearer token file for it.
        rule: `functional` (the domain's comparator), `strict` (exact equality, PivotRL Eq. 2), or another that the
            server's `/metadata` lists, e.g. `nemo_gym.swe_pivot?reward_mode=continuous`.
        policy: Name or folder of the starting policy.
        dtype: Of the computation; master weights in training are fp32 always.
        format: How the policy reads states and writes actions; `auto` takes the one that the model was trained on.
        max_prompt_tokens: Longer states are dropped at extraction and counted.
        engine: Where sampled actions come from.
        seed: Which states are drawn; the sections have seeds of their own.
        sources: Folders or files from which a server started for the run rebuilds origins, by name.
        judge: Model that judges messages, for a server started for the run: `{base_url, model, api_key_env}`.
        user: Model that plays the users of tasks there, named likewise.
        lora: Adapters that SFT and GRPO train instead of the weights, e.g. `{rank: 16}`; `null`: the weights train.
        data: What `pivotgym demo` draws from its trajectories.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    domain: str = "tool_use"
    server: str | None = None
    server_wait_s: float = Field(default=30.0, gt=0)
    token: Path | None = None
    rule: str = "functional"
    policy: str = SMOLLM2_NAME
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    format: str = "smollm"
    max_prompt_tokens: int = Field(default=1024, ge=1)
    engine: EngineSettings = EngineSettings()
    seed: int = 0
    sources: dict[str, Path] = Field(default_factory=dict)
    judge: ChatServer | None = None
    user: ChatServer | None = None
    data: DataSettings = DataSettings()
    profile: ProfileConfig = ProfileConfig()
    filter: FilterConfig = FilterConfig()
    lora: LoraSettings | None = None
    sft: SftSettings = SftSettings()
    grpo: GrpoSettings = GrpoSettings()
    openrlhf: OpenRlhfSettings = OpenRlhfSettings()
    evaluate: EvalConfig = EvalConfig()


def load_config(path: str | Path | None = None, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a YAML file (or the defaults) and apply overrides.

    Args:
        path: YAML with any of the keys; the rest keep their defaults.
        overrides: `KEY=VALUE` texts; keys are dotted (`grpo.lr=4e-5`), values are YAML.

    Raises:
        NotFound: If there is no such file.
        ConfigError: If a key is unknown or a value does not fit; the message names the key.
    """
    data: dict[str, Any] = {}
    if path is not None:
        if not Path(path).is_file():
            raise NotFound(f"config: expected a YAML file, found none at {path}")
        try:
            data = yaml.safe_load(Path(path).read_text()) or {}
        except yaml.YAMLError as error:
            raise ConfigError(f"config: {path} is not YAML: {error}") from error
        if not isinstance(data, dict):
            raise ConfigError(f"config: expected a mapping in {path}, got {type(data).__name__}")
    for override in overrides:
        _apply(data, override)
    try:
        return RunConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"config: {describe(error)}", hint="`pivotgym config` prints every key") from error


def _apply(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set: expected KEY=VALUE, got {override!r}")
    try:
        # JSON-like numbers without a dot ("4e-5") are text in YAML 1.1; users of this field write them all the time.
        value: Any = float(text) if "e" in text.lower() and _is_float(text) else yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {key}: the value {text!r} is not YAML") from error
    *parents, leaf = key.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise ConfigError(f"--set {key}: {parent!r} is a value, not a section")
    data[leaf] = value


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def save_config(config: RunConfig, path: str | Path) -> None:
    """Write the resolved configuration as YAML, every key spelled out."""
    with atomic(path) as out:
        out.write(dump_config(config).encode())


def dump_config(config: RunConfig) -> str:
    """The resolved configuration as YAML text."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
