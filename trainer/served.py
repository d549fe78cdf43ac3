"""The embedded engine below a policy server: batches of prompts, stop texts, and the newest checkpoint of a run.

Owns: which weights are in use and their version, prompts to tokens, samples to text. Does not own: the wire
(`servers/policy`), or sampling itself (`trainer/policy`).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from pivotgym.core.errors import InputError, PivotGymError, PolicyFailed, TooLarge
from pivotgym.core.formats import Format
from pivotgym.core.policy_server import JobResult, OnResult, SampledText, SampleJob
from pivotgym.trainer.learn.checkpoint import latest_checkpoint
from pivotgym.trainer.policy import Policy, Sample, SamplingParams, StateRequest, sample
from pivotgym.trainer.policy.model import DType


def newest_policy(run: Path) -> Path | None:
    """Folder of the policy in a training run's newest checkpoint, if it has one."""
    newest = latest_checkpoint(run / "checkpoints")
    return newest / "policy" if newest is not None else None


class ServedPolicy:
    """A policy that is served; see `core.policy_server.ServedEngine`.

    Args:
        start: Folder of the policy to begin with, where the run has no checkpoint yet.
        fmt: The text format of the model.
        run: Folder of a training run, whose newest checkpoint is taken instead, now and later.
        dtype: Of the computation.
        device: A torch device.

    Raises:
        NotFound: If there is no such policy.
        ConfigError: If the model is none that can be sampled here.
    """

    def __init__(
        self,
        start: Path,
        fmt: Format,
        *,
        run: Path | None = None,
        dtype: DType = "bfloat16",
        device: str = "cpu",
    ) -> None:
        self._fmt, self._run, self._dtype, self._device = fmt, run, dtype, device
        self._checkpoint: tuple[str, int] | None = None
        newest = self._newest()
        if newest is not None:
            self._load(newest)
            return
        self._use(Policy.load(start, dtype=dtype, device=device), "start")

    def _newest(self) -> Path | None:
        return latest_checkpoint(self._run / "checkpoints") if self._run is not None else None

    def _load(self, checkpoint: Path) -> None:
        stamp = (checkpoint.name, (checkpoint / "manifest.json").stat().st_mtime_ns)
        self._use(Policy.load(checkpoint / "policy", dtype=self._dtype, device=self._device), checkpoint.name)
        self._checkpoint = stamp

    def _use(self, policy: Policy, name: str) -> None:
        version = f"{name}-{policy.fingerprint()[:12]}"
        self._policy, self._version = policy, version

    @property
    def fmt(self) -> Format:
        """See `ServedEngine`."""
        return self._fmt

    @property
    def version(self) -> str:
        """Name of the checkpoint (`start` before the first) and the beginning of the weights' fingerprint."""
        return self._version

    @property
    def context_length(self) -> int:
        """See `ServedEngine`."""
        return self._policy.context_length

    def refresh(self) -> bool:
        """See `ServedEngine`."""
        newest = self._newest()
        try:
            if newest is None:
                return False
            stamp = (newest.name, (newest / "manifest.json").stat().st_mtime_ns)
            if stamp == self._checkpoint:
                return False
            self._load(newest)
        except (
            Exception
        ) as error:  # the run may drop it while it is read; the next look finds the one that is there then
            raise PolicyFailed(f"the checkpoint {newest} could not be read: {error}") from error
        return True

    def sample(self, jobs: Sequence[SampleJob], on_result: OnResult) -> None:
        """See `ServedEngine`."""
        policy, version = self._policy, self._version
        asked: list[StateRequest] = []
        places: list[int] = []
        for place, job in enumerate(jobs):
            try:
                asked.append(_request(policy, job))
            except PivotGymError as error:
                on_result(place, error)
            else:
                places.append(place)
        if not asked:
            return
        first = jobs[places[0]]
        own = {token for text in first.stop if (token := _token(policy, text)) is not None}
        room = max(policy.context_length - len(request.token_ids) for request in asked)
        params = SamplingParams(
            max_new_tokens=min(first.max_tokens, room),
            top_p=first.top_p,
            stop_token_ids=tuple({*policy.stop_token_ids, *first.stop_token_ids, *own}),
        )

        def report(found: dict[int, list[Sample]]) -> None:
            for index, samples in found.items():
                job, ids = jobs[places[index]], tuple(asked[index].token_ids)
                on_result(places[index], JobResult(ids, tuple(_read(policy, job, item) for item in samples), version))

        try:
            sample(policy, asked, params, seed=0, on_batch=report)
        except RuntimeError as error:  # torch's, also where memory ran out
            raise PolicyFailed(f"sampling broke: {type(error).__name__}: {error}") from error


def _request(policy: Policy, job: SampleJob) -> StateRequest:
    ids = job.prompt
    if isinstance(ids, str):
        ids = tuple(policy.tokenizer(ids, add_special_tokens=job.special_tokens)["input_ids"])
    if not ids:
        raise InputError("prompt: expected at least one token, got none")
    vocabulary = policy.head.shape[0]
    if min(ids) < 0 or max(ids) >= vocabulary:
        raise InputError(f"prompt: expected token ids from 0 to {vocabulary - 1}, got {min(ids)} to {max(ids)}")
    if len(ids) >= policy.context_length:
        raise TooLarge(
            f"prompt: the model's context length is {policy.context_length} tokens, got {len(ids)}",
            hint="send a shorter prompt: there is no room for an answer",
        )
    key = f"seed {job.seed}" if job.seed is not None else secrets.token_hex(16)
    return StateRequest(key, ids, (job.temperature,) * job.count)


def _token(policy: Policy, text: str) -> int | None:
    """The one token that a stop text is: sampling ends there, where other texts are only looked for afterwards."""
    special = dict(zip(policy.tokenizer.all_special_tokens, policy.tokenizer.all_special_ids, strict=True))
    return special.get(text)


def _read(policy: Policy, job: SampleJob, item: Sample) -> SampledText:
    ids, stopped = list(item.token_ids), item.finish_reason == "stop"
    text = _decoded(policy, ids[:-1] if stopped else ids)
    found = [at for stop in job.stop if (at := text.find(stop)) >= 0]
    if found:
        text, stopped = text[: min(found)], True
        ids = ids[: _tokens_until_stop(policy, ids, job.stop)]
    texts = tuple(_decoded(policy, [token]) for token in ids) if job.token_texts else ()
    return SampledText(text, tuple(ids), tuple(item.logprobs[: len(ids)]), "stop" if stopped else "length", texts)


def _tokens_until_stop(policy: Policy, ids: list[int], stop: Sequence[str]) -> int:
    """How many tokens it takes until a stop text has been said."""
    low, high = 1, len(ids)
    while low < high:
        middle = (low + high) // 2
        said = _decoded(policy, ids[:middle])
        if any(text in said for text in stop):
            high = middle
        else:
            low = middle + 1
    return low


def _decoded(policy: Policy, ids: list[int]) -> str:
    return str(policy.tokenizer.decode(ids, skip_special_tokens=False))
