"""What all routes of one policy server share.

Owns: putting the engine, its queue and the metrics together. Does not own: any of them.
"""

from __future__ import annotations

import time

from pivotgym.core.policy_server import ServedEngine
from pivotgym.servers.policy.batching import Batcher
from pivotgym.servers.policy.metrics import PolicyMetrics
from pivotgym.servers.policy.settings import PolicySettings
from pivotgym.servers.settings import Tokens, read_tokens


class PolicyService:
    """The parts of one policy server.

    Args:
        engine: Samples.
        settings: Limits, tokens, the model's name.

    Attributes:
        started: When, in seconds since 1970.

    Raises:
        ConfigError: If a token file cannot be read, or the bind needs a token and there is none.
    """

    def __init__(self, engine: ServedEngine, settings: PolicySettings) -> None:
        self.engine, self.settings = engine, settings
        self.tokens: Tokens = read_tokens(settings)
        self.metrics = PolicyMetrics()
        self.batcher = Batcher(engine, settings, self.metrics)
        self.metrics.watch("waiting", "Requests that wait for the engine.", lambda: self.batcher.waiting)
        self.started = int(time.time())
