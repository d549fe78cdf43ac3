"""What commands need to run: a configuration, an environment server, a policy engine.

Owns: opening and closing them from options. Does not own: the options' texts (`cli/options`), what runs on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pivotgym.core.errors import ConfigError
from pivotgym.core.trajectory import Pivot
from pivotgym.servers.client import Client
from pivotgym.trainer.config import RunConfig
from pivotgym.trainer.scoring import ClientScorer

if TYPE_CHECKING:
    from pivotgym.trainer.engine import LocalEngine, PolicyEngine


@contextmanager
def environment(config: RunConfig) -> Iterator[Client]:
    """A client of the configured server, or of one started on loopback for the time being."""
    if config.server is not None:
        token = config.token.read_text().strip() if config.token is not None else None
        with Client(config.server, token=token) as client:
            client.wait_ready(config.server_wait_s)
            yield client
        return
    from pivotgym.servers.serve import BackgroundServer
    from pivotgym.servers.settings import Settings, read_tokens

    settings = Settings(sources=config.sources, judge=config.judge, user=config.user)
    token = read_tokens(settings).bearer
    with BackgroundServer(config.domain, settings=settings) as server, Client(server.url, token=token) as client:
        yield client


def scorer(client: Client, config: RunConfig, pivots: Sequence[Pivot]) -> ClientScorer:
    """A scorer for pivots, which are given to the server first."""
    client.add_pivots(pivots)
    return ClientScorer(client, rule=None if config.rule == "functional" else config.rule)


def engine(config: RunConfig, policy: str | Path | None = None) -> LocalEngine:
    """The in-process engine over the configured policy, or over another one."""
    from pivotgym.core.formats import format_for, get_format
    from pivotgym.trainer.engine import LocalEngine
    from pivotgym.trainer.models import policy_folder
    from pivotgym.trainer.policy import Policy

    name = str(policy or config.policy)
    loaded = Policy.load(policy_folder(name), dtype=config.dtype)
    if config.format != "auto":
        return LocalEngine(loaded, get_format(config.format))
    template = loaded.tokenizer.chat_template
    return LocalEngine(loaded, format_for(name, template if isinstance(template, str) else None))


def sampling_engine(
    config: RunConfig, policy: str | Path | None = None, *, samples: Path | None = None
) -> PolicyEngine:
    """The configured engine, which samples but need not train.

    Args:
        config: Names the engine.
        policy: Another policy than the configured one.
        samples: File in which the engine `ray` keeps what it sampled.

    Raises:
        ConfigError: If a policy is named for a server's model.
    """
    if config.engine.kind == "local":
        return engine(config, policy)
    if config.engine.kind == "ray":
        return _batch_engine(config, str(policy or config.policy), samples)
    from pivotgym.core.formats import format_for, get_format
    from pivotgym.trainer.openai_engine import OpenAIEngine

    if policy is not None:
        raise ConfigError("--policy: expected none with the engine 'openai', whose policy is --model")
    if config.engine.native_tools:
        return OpenAIEngine(config.engine)
    auto = config.format == "auto"
    return OpenAIEngine(config.engine, format_for(str(config.engine.model)) if auto else get_format(config.format))


def _batch_engine(config: RunConfig, policy: str, samples: Path | None) -> PolicyEngine:
    from pivotgym.core.formats import format_for, get_format
    from pivotgym.trainer.models import policy_folder
    from pivotgym.trainer.ray_engine import RayEngine

    folder = policy_folder(policy).resolve()
    template = folder / "chat_template.jinja"
    text = template.read_text() if template.is_file() else None
    fmt = format_for(policy, text) if config.format == "auto" else get_format(config.format)
    return RayEngine(config.engine.ray, folder, fmt, dtype=config.dtype, samples=samples)
