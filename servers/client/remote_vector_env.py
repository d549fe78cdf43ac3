"""Many sessions of a server as one Gymnasium vector environment.

Owns: Gymnasium's vector API over sessions that act side by side, resetting by itself, and what a failure of some of
them leaves. Does not own: one session (`aio`), or one environment (`remote_env`, of which this equals a row: same
spaces, options, seeds and results). Imports Gymnasium, so nothing else of the client imports it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from pivotgym.core.actions import read_action
from pivotgym.core.errors import ConfigError, InfrastructureError, InputError, PivotGymError, UnknownOption, WrongState
from pivotgym.core.spaces import Unicode
from pivotgym.servers.client.aio import AsyncClient, AsyncSession
from pivotgym.servers.client.remote_env import Horizon, draw, kinds, read_start

T = TypeVar("T")
Batch = tuple[tuple[str, ...], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class EnvsFailed(InfrastructureError):
    """Some of the environments failed; the others went on, and their results are here.

    Attributes:
        errors: What each failed environment failed with, by index.
        results: What `step` or `reset` would have returned; a failed environment has an empty observation, a reward of
            NaN (unless it failed only at the reset after its end) and no info.
    """

    code: ClassVar[str] = "envs_failed"

    def __init__(
        self, message: str, *, errors: dict[int, PivotGymError] | None = None, results: Any = None, **fields: Any
    ) -> None:
        super().__init__(message, **fields)
        self.errors, self.results = errors or {}, results


class RemoteVectorEnv(VectorEnv[tuple[str, ...], Sequence[str], NDArray[Any]]):
    """`num_envs` environments like `RemoteEnv` on one server, stepped at the same time.

    Args:
        base_url: The server's address.
        num_envs: How many sessions.
        horizon: `pivot` or `episode`.
        autoreset_mode: What follows an environment's end: `NextStep` (the next step resets it and ignores its action),
            `SameStep` (the same step does, the end is in `final_obs` and `final_info`) or `Disabled` (`reset` with the
            option `reset_mask` does).
        render_mode: Nothing is rendered: `None`.
        client: Further arguments of `AsyncClient`.

    Raises:
        ConfigError: If an argument has a value it cannot have.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(
        self,
        base_url: str,
        num_envs: int,
        *,
        horizon: Horizon = "pivot",
        autoreset_mode: AutoresetMode | Literal["NextStep", "SameStep", "Disabled"] = AutoresetMode.NEXT_STEP,
        render_mode: None = None,
        **client: Any,
    ) -> None:
        if num_envs < 1:
            raise ConfigError(f"num_envs: expected at least 1, got {num_envs}")
        if horizon not in ("pivot", "episode"):
            raise ConfigError(f"horizon: expected 'pivot' or 'episode', got {horizon!r}")
        if render_mode is not None:
            raise ConfigError(f"render_mode: expected None, got {render_mode!r}")
        try:
            self.autoreset_mode = AutoresetMode(autoreset_mode)
        except ValueError as error:
            modes = [mode.value for mode in AutoresetMode]
            raise ConfigError(f"autoreset_mode: expected one of {modes}, got {autoreset_mode!r}") from error
        self.num_envs, self.horizon, self.render_mode = num_envs, horizon, render_mode
        self.metadata = {"render_modes": [], "autoreset_mode": self.autoreset_mode}
        self.single_observation_space = self.single_action_space = Unicode()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._rngs: list[np.random.Generator | None] = [None] * num_envs
        self._sessions: list[AsyncSession | None] = [None] * num_envs
        self._observations = [""] * num_envs
        self._over = np.zeros(num_envs, dtype=np.bool_)
        self._failed = np.zeros(num_envs, dtype=np.bool_)
        self._listed: dict[str, list[str]] | None = None
        self._listing = asyncio.Lock()
        self._client = AsyncClient(base_url, **client)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pivotgym-vector-env", daemon=True)
        self._thread.start()

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Begin everywhere, or where `reset_mask` says.

        Args:
            seed: Of the draws: a number for the first environment, counted on for the others, or a list.
            options: At most one of `pivot_id`, `pivot` and `task_id`, each a value for all or a list with one for each;
                and `reset_mask`, a boolean array of shape [num_envs].

        Raises:
            UnknownOption: If an option is none of these, there are several, or a list has another length.
            NotFound: If there is no such pivot or task, or nothing to draw from.
            EnvsFailed: If the server failed at some of them.
            InputError: What else the server refused, with the environment's index.
        """
        options = dict(options or {})
        chosen = self._mask(options.pop("reset_mask", None))
        for index, own in enumerate(self._seeds(seed)):
            if own is not None and chosen[index]:
                self._rngs[index] = seeding.np_random(own)[0]
        starts = self._starts(options)
        self._listed = None
        infos: dict[str, Any] = {}
        errors = self._each(np.flatnonzero(chosen), lambda index: self._begin(index, starts[index]), infos)
        for index, error in errors.items():
            if isinstance(error, InputError):
                details = {**error.details, "index": index}
                raise type(error)(f"environment {index}: {error.message}", hint=error.hint, details=details) from error
        self._complain("reset", errors, (tuple(self._observations), infos))
        return tuple(self._observations), infos

    def step(self, actions: Sequence[str]) -> Batch:
        """Take one action in each environment, assistant messages as JSON texts, at the same time.

        Raises:
            InputError: If there is not one text for each environment.
            WrongState: Before `reset`, or where an environment has ended or failed and has to be reset first.
            EnvsFailed: If some could not act, because the server, the world or the verifier broke, the session is gone
                or the server refused the action: never a reward of 0. The others went on.
        """
        actions = list(actions)
        if len(actions) != self.num_envs or not all(isinstance(action, str) for action in actions):
            raise InputError(f"actions: expected {self.num_envs} texts, got {len(actions)} items")
        self._check_steppable()
        rewards = np.full(self.num_envs, np.nan)
        ended, cut = np.zeros((2, self.num_envs), dtype=np.bool_)
        infos: dict[str, Any] = {}
        due = [session is None for session in self._sessions] | self._over | self._failed

        async def one(index: int) -> dict[str, Any]:
            if due[index]:
                made, rewards[index] = await self._begin(index), 0.0
                return made
            session = self._sessions[index]
            assert session is not None
            row = await session.step(read_action(actions[index]))
            self._observations[index], rewards[index], ended[index], cut[index], made = row
            if (ended[index] or cut[index]) and self.autoreset_mode is AutoresetMode.SAME_STEP:
                made = {"final_obs": row.observation, "final_info": row.info, **await self._begin(index)}
            return made

        errors = self._each(range(self.num_envs), one, infos)
        self._over = ended | cut if self.autoreset_mode is not AutoresetMode.SAME_STEP else np.zeros_like(ended)
        results = (tuple(self._observations), rewards, ended, cut, infos)
        self._complain("step", errors, results)
        return results

    @property
    def session_ids(self) -> list[str | None]:
        """The server's ids of the sessions, `None` where there is none."""
        return [session.id if session is not None else None for session in self._sessions]

    def close_extras(self, **_: Any) -> None:
        """End the sessions and close the connections."""

        async def end(index: int) -> dict[str, Any]:
            await self._end(index)
            return {}

        try:
            self._each(range(self.num_envs), end, {})
            self._run(self._client.close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _begin(self, index: int, start: dict[str, Any] | None = None) -> dict[str, Any]:
        """Reset one environment, without a start to a drawn one; its info."""
        await self._end(index)
        if start is None:
            rng = self._rngs[index] = self._rngs[index] or seeding.np_random()[0]
            start = draw(await self._pool(), rng)
        horizon = "episode" if "task_id" in start else self.horizon
        session = await self._client.session(horizon=horizon, **start)
        self._sessions[index], self._observations[index] = session, session.observation
        self._failed[index] = self._over[index] = False
        return session.info

    async def _pool(self) -> dict[str, list[str]]:
        """The ids to draw from, listed once after each `reset`."""
        async with self._listing:
            if self._listed is None:
                listed: dict[str, list[str]] = {}
                for kind in kinds(self.horizon):
                    items = self._client.tasks() if kind == "task_id" else self._client.pivots()
                    listed[kind] = [item["id"] async for item in items]
                self._listed = listed
            return self._listed

    async def _end(self, index: int) -> None:
        session, self._sessions[index] = self._sessions[index], None
        if session is not None:
            await session.close()

    def _each(
        self, indices: Iterable[int], work: Callable[[int], Coroutine[Any, Any, dict[str, Any]]], infos: dict[str, Any]
    ) -> dict[int, PivotGymError]:
        """Do something in several environments at once: fills `infos`, and gives the errors of those that failed."""
        places = [int(index) for index in indices]

        async def all_of_them() -> list[dict[str, Any] | BaseException]:
            return await asyncio.gather(*map(work, places), return_exceptions=True)

        # Until it has gone well: an interrupt leaves sessions in states that nobody knows.
        self._failed[places] = True
        errors: dict[int, PivotGymError] = {}
        for index, result in zip(places, self._run(all_of_them()), strict=True):
            if isinstance(result, PivotGymError):
                errors[index] = result
                self._observations[index] = ""
            elif isinstance(result, BaseException):
                raise result
            else:
                self._failed[index] = False
                self._add_info(infos, result, index)
        return errors

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        running = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return running.result()
        except BaseException:
            running.cancel()
            raise

    def _check_steppable(self) -> None:
        if all(session is None for session in self._sessions) and not self._failed.any():
            raise WrongState("step: no episode has begun", hint="call reset first")
        waiting = np.flatnonzero(self._over | self._failed).tolist()
        if waiting and self.autoreset_mode is not AutoresetMode.NEXT_STEP:
            raise WrongState(
                f"step: the environments {waiting} have ended or failed, and nothing resets them in the mode "
                f"{self.autoreset_mode.value!r}",
                hint="call reset with options={'reset_mask': ...} first",
            )

    def _complain(self, call: str, errors: dict[int, PivotGymError], results: Any) -> None:
        if not errors:
            return
        first, error = next(iter(errors.items()))
        raise EnvsFailed(
            f"{call}: {len(errors)} of {self.num_envs} environments failed; environment {first} with "
            f"{error.code}: {error.message}",
            hint=f"`results` holds those of the others; reset {sorted(errors)} by the option reset_mask",
            errors=errors,
            results=results,
            details={"indices": sorted(errors)},
        ) from error

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None or isinstance(seed, int):
            return [None if seed is None else seed + index for index in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise InputError(f"seed: expected {self.num_envs} numbers, got {len(seed)}")
        return list(seed)

    def _mask(self, mask: Any) -> NDArray[np.bool_]:
        if mask is None:
            return np.ones(self.num_envs, dtype=np.bool_)
        made = np.asarray(mask)
        if made.dtype != np.bool_ or made.shape != (self.num_envs,) or not made.any():
            raise UnknownOption(
                f"options['reset_mask']: expected {self.num_envs} booleans, at least one of them true, got {mask!r}"
            )
        return made

    def _starts(self, options: dict[str, Any]) -> list[dict[str, Any] | None]:
        for name, value in options.items():
            if isinstance(value, list | tuple) and len(value) != self.num_envs:
                raise UnknownOption(f"options[{name!r}]: expected {self.num_envs} values, got {len(value)}")
        return [
            read_start(
                {name: value[index] if isinstance(value, list | tuple) else value for name, value in options.items()}
            )
            for index in range(self.num_envs)
        ]
