"""The settings of each stage, with the reason for every default.

Owns: names, ranges and defaults. Does not own: what the stages do with them; imports nothing heavy, so that a command
line can show them at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pivotgym.core.trajectory import Sampling

Rule = Literal["pivots", "keep_all", "drop_easy", "mean_band"]


class FilterConfig(BaseModel):
    """Which candidates become pivots.

    Attributes:
        rule: `pivots`: variance > 0 and mean < lambda_diff (PivotRL, Eq. 5). `keep_all`: every profiled candidate.
            `drop_easy`: mean < lambda_diff, all-fail kept (what NVIDIA's released file was made with). `mean_band`:
            variance > 0 and band_low <= mean <= band_high (theorem 3.2 speaks for the middle).
        lambda_diff: The paper prints no value; its own file is named "difficulty_60", hence 0.6.
        band_low: Lower edge of `mean_band`.
        band_high: Upper edge of `mean_band`.
        min_scored: Candidates with fewer scored samples (the rest failed on our side) are dropped and counted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: Rule = "pivots"
    lambda_diff: float = Field(default=0.6, gt=0)
    band_low: float = Field(default=0.2, ge=0, le=1)
    band_high: float = Field(default=0.8, ge=0, le=1)
    min_scored: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> FilterConfig:
        if self.band_low > self.band_high:
            raise ValueError(f"band_low: expected at most band_high ({self.band_high}), got {self.band_low}")
        return self


class RaySettings(BaseModel):
    """Machines and memory of the batch engine: vLLM under Ray Data.

    Attributes:
        address: Of a running Ray cluster; `None` starts Ray on this machine. On a cluster the policy's folder must be
            seen at the same path everywhere, and PivotGym, Ray and vLLM be installed.
        engines: vLLM engines, each an actor of its own.
        tensor_parallel: GPUs of one of them, on one machine.
        shard: States that an engine has at once. They come and are kept in halves, so that the end of one half does not
            idle the engine; a kill loses at most these.
        gpu_memory_utilization: Share of a GPU that an engine takes.
        max_model_len: Tokens of a state with its action; `None`: as the model says.
        prefix_caching: The engine keeps a state's keys and values, so that its actions share them.
        enforce_eager: No CUDA graphs: slower, quicker to start.
        vllm: Further arguments of the engine (`vllm.AsyncEngineArgs`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str | None = None
    engines: int = Field(default=1, ge=1)
    tensor_parallel: int = Field(default=1, ge=1)
    shard: int = Field(default=64, ge=2)
    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    max_model_len: int | None = Field(default=None, ge=2)
    prefix_caching: bool = True
    enforce_eager: bool = False
    vllm: dict[str, Any] = Field(default_factory=dict)


class EngineSettings(BaseModel):
    """Where sampled actions come from, for profiling, evaluation and counting a state's tokens.

    Attributes:
        kind: `local` (the policy in this process), `openai` (any server that speaks OpenAI's API) or `ray` (vLLM under
            Ray Data: whole jobs of thousands of states on one machine or several).
        base_url: Of the server, up to and with `/v1`.
        model: The model's name there; profiles are stored under it.
        native_tools: Whether the server writes the prompt and reads the calls (`/chat/completions` with `tools`).
            Otherwise prompts are sent in the configured `format` (`/completions`).
        concurrency: Requests at once.
        api_key_env: Environment variable that holds the API key.
        api_key_file: File that holds it.
        timeout_s: Time-out of one try.
        retries: Further tries after the first.
        deadline_s: For one request with all its tries.
        limit_field: The field by which this server limits new tokens.
        extra_body: Further fields of each request; `null` leaves out one that would be sent, e.g. `{seed: null}`.
        ray: Machines and memory of the kind `ray`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["local", "openai", "ray"] = "local"
    base_url: str | None = None
    model: str | None = None
    native_tools: bool = True
    concurrency: int = Field(default=16, ge=1)
    api_key_env: str | None = None
    api_key_file: Path | None = None
    timeout_s: float = Field(default=120.0, gt=0)
    retries: int = Field(default=4, ge=0)
    deadline_s: float = Field(default=600.0, gt=0)
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    extra_body: dict[str, Any] = Field(default_factory=dict)
    ray: RaySettings = RaySettings()

    @model_validator(mode="after")
    def _complete(self) -> EngineSettings:
        named = [name for name in ("base_url", "model") if getattr(self, name) is not None]
        if self.kind == "openai" and len(named) < 2:
            raise ValueError(f"expected base_url and model for kind 'openai', got {named or 'none'}")
        if self.kind != "openai" and named:
            raise ValueError(f"{named[0]}: expected only with kind 'openai', got kind {self.kind!r}")
        return self


class ProfileConfig(BaseModel):
    """How candidates are profiled.

    Attributes:
        k: Samples per candidate. NVIDIA's own runs used 16 (tool use) and 8 (SWE); 8 halves the cost and its skill
            asks for at least 8.
        temperature: 1.0, the temperature GRPO samples at, so that the profile speaks of the states as training will
            meet them (NVIDIA's internal profile used 0.6).
        top_p: 1.0 for the same reason.
        max_new_tokens: Longer actions are cut and invalid.
        seed: With a candidate's id it fixes the candidate's draws.
        batch: Candidates that an engine in this process gets at once; a kill loses at most these and, as verdicts are
            one batch behind, those before them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    k: int = Field(default=8, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_new_tokens: int = Field(default=64, ge=1)
    seed: int = 0
    batch: int = Field(default=16, ge=1)

    @property
    def sampling(self) -> Sampling:
        """The sampling parameters stored in each profile."""
        return Sampling(
            temperature=self.temperature, top_p=self.top_p, max_new_tokens=self.max_new_tokens, seed=self.seed
        )


class SftSettings(BaseModel):
    """Supervised warm-up.

    Attributes:
        epochs: Passes over the examples.
        batch_size: Examples per update.
        lr: 3e-5: learns the action format of a 135M policy in a few hundred examples without forgetting English.
        warmup_steps: Linear warm-up.
        checkpoint_every: Updates between checkpoints; a kill loses at most these.
        seed: Order of the examples.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(default=2, ge=1)
    batch_size: int = Field(default=8, ge=1)
    lr: float = Field(default=3e-5, gt=0)
    warmup_steps: int = Field(default=5, ge=0)
    checkpoint_every: int = Field(default=25, ge=1)
    seed: int = 0


class ReprofileSettings(BaseModel):
    """When a run profiles anew, with the policy as it is by then, and goes on with the pivots that are left.

    Attributes:
        mean_above: Of the rewards over the window; most groups agree by then. `null`: not looked at.
        variance_below: Of the rewards within a group (population), on average over the window; groups without any
            give no gradient. `null`: not looked at.
        window: Steps that are averaged, all of them since the pivots were last chosen.
        at_most: Times in a run.
        candidates: File of the states to profile; `null`: the pivots that the run began with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    mean_above: float | None = Field(default=0.8, ge=0, le=1)
    variance_below: float | None = Field(default=0.05, ge=0, le=0.25)
    window: int = Field(default=10, ge=1)
    at_most: int = Field(default=3, ge=1)
    candidates: Path | None = None

    @model_validator(mode="after")
    def _some_level(self) -> ReprofileSettings:
        if self.mean_above is None and self.variance_below is None:
            raise ValueError("mean_above, variance_below: expected at least one level, got null for both")
        return self


class GrpoSettings(BaseModel):
    """GRPO from a pivot set. `loss` holds the update's own settings, see `trainer.learn.GrpoConfig`.

    Attributes:
        engine: `embedded` (this process, CPU or one GPU) or `openrlhf` (Ray, DeepSpeed, vLLM; see the section
            `openrlhf`).
        horizon: `pivot`: one action, the verifier's reward. `episode`: to the end of the task, the task's own outcome
            (end-to-end RL); the engine `openrlhf` alone.
        steps: Updates.
        pivots_per_step: States B of a step (the paper: 64).
        group_size: Actions G per state (the paper: 16).
        temperature: 1.0: on-policy log-probabilities need no correction (NVIDIA trains at 1.0 too).
        top_p: 1.0 for the same reason.
        max_new_tokens: Longer actions are cut and invalid.
        mask_truncated: Leave cut actions out of loss and baseline instead of scoring them 0.
        lr: 2e-5 for a small model; the paper's setting for 30B is 1e-6.
        warmup_steps: Linear warm-up.
        checkpoint_every: Updates between checkpoints.
        seed: Order of pivots and draws.
        reprofile: Refresh the pivots when the run saturates; the engine `embedded` alone. `null`: never.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Literal["embedded", "openrlhf"] = "embedded"
    horizon: Literal["pivot", "episode"] = "pivot"
    steps: int = Field(default=20, ge=1)
    pivots_per_step: int = Field(default=8, ge=1)
    group_size: int = Field(default=8, ge=2)
    temperature: float = Field(default=1.0, gt=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_new_tokens: int = Field(default=64, ge=1)
    mask_truncated: bool = False
    lr: float = Field(default=2e-5, gt=0)
    warmup_steps: int = Field(default=0, ge=0)
    checkpoint_every: int = Field(default=5, ge=1)
    seed: int = 0
    reprofile: ReprofileSettings | None = None
    loss: dict[str, Any] = Field(default_factory=dict)


class LoraSettings(BaseModel):
    """Low-rank adapters (LoRA, arXiv 2106.09685): W x + (alpha / rank) B A x, of which only A and B train.

    Attributes:
        rank: Rows of A, columns of B.
        alpha: The update's scale is alpha / rank; a whole number, as the engine `openrlhf` takes it.
        targets: Last names of the linear layers that get an adapter, such as `[q_proj, v_proj]`; `all-linear`: each
            but the output head.
        dropout: Share of an adapter's inputs left out while gradients are taken. Sampling has none, so that with it
            sampler and trainer differ.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    targets: Literal["all-linear"] | Annotated[tuple[str, ...], Field(min_length=1)] = "all-linear"
    dropout: float = Field(default=0.0, ge=0, lt=1)


class EvalConfig(BaseModel):
    """How a policy is evaluated.

    Attributes:
        samples: Sampled actions per pivot at the training temperature.
        temperature: The training temperature.
        top_p: As in training.
        low_temperature: Of the control, which shows how much of a gain is sharpening alone.
        low_samples: Samples per pivot of the control; 0 leaves it out. Its states cost nothing more, they are computed
            once for both temperatures.
        max_new_tokens: Longer actions are cut and invalid.
        seed: Fixes the draws; the same seed for all arms pairs them.
        batch: Pivots between two writes; whole tasks that are played side by side.
        max_steps: Steps after which a whole task is cut, where its own limit is not lower.
        step_timeout_s: Seconds for a step of a whole task, which at the end may run its tests.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    samples: int = Field(default=4, ge=1)
    temperature: float = Field(default=1.0, gt=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    low_temperature: float = Field(default=0.1, ge=0)
    low_samples: int = Field(default=0, ge=0)
    max_new_tokens: int = Field(default=64, ge=1)
    seed: int = 0
    batch: int = Field(default=16, ge=1)
    max_steps: int | None = Field(default=None, ge=1)
    step_timeout_s: float = Field(default=300.0, gt=0)
