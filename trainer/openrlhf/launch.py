"""The process that runs OpenRLHF: `python -m pivotgym.trainer.openrlhf.launch FLAGS`.

Owns: the order of its start, and putting our trainer (and policy, with LoRA) in the place of OpenRLHF's. Does not own:
Ray's start (`trainer.ray_start`), the flags (`flags`), the loop, which is OpenRLHF's own `train_ppo_ray`.
"""

from __future__ import annotations

import os
import runpy
import sys

from pivotgym.trainer.openrlhf import cpu
from pivotgym.trainer.openrlhf.processes import RUN_ENV, end_all, end_with_starter, keep_descendants
from pivotgym.trainer.openrlhf.settings import AGENT_ENV
from pivotgym.trainer.ray_start import CPU_PLACES, start_ray, worker_environment

RAY_ADDRESS_ENV = "PIVOTGYM_OPENRLHF_RAY"
"""Environment variable with the address of a running Ray cluster; empty or absent starts one here."""
ENTRY = "openrlhf.cli.train_ppo_ray"
_PASSED = (AGENT_ENV, RUN_ENV, cpu.FLAG, cpu.WEIGHTS_LOG)


def main(arguments: list[str]) -> None:
    """Connect to Ray, or start it, and run OpenRLHF's own command with these flags."""
    import ray

    mark = os.environ.get(RUN_ENV)
    if mark is not None:
        keep_descendants()
        end_with_starter(mark)
    without_cuda = os.environ.get(cpu.FLAG) == "1"
    if without_cuda:
        cpu.install()
    variables = worker_environment(cuda=not without_cuda) | {
        name: os.environ[name] for name in _PASSED if name in os.environ
    }
    address = os.environ.get(RAY_ADDRESS_ENV)
    if address:
        ray.init(address=address, runtime_env={"env_vars": variables})
    else:
        places = {"num_cpus": CPU_PLACES, "num_gpus": CPU_PLACES, "_node_ip_address": "127.0.0.1"}
        start_ray(variables, places if without_cuda else {})
    put_trainer()
    if "--ds.lora.rank" in arguments:
        put_lora_actor()
    sys.argv = [ENTRY, *arguments]
    try:
        runpy.run_module(ENTRY, run_name="__main__", alter_sys=True)
    finally:
        ray.shutdown()
        if mark is not None:
            end_all(mark)


def put_trainer() -> None:
    """Make `train_ppo_ray` use our trainer, in this process: it looks the class up when it starts."""
    import ray
    from openrlhf.trainer import ppo_trainer

    from pivotgym.trainer.openrlhf.trainer import RunTrainer

    ppo_trainer.PPOTrainer = ray.remote(RunTrainer)


def put_lora_actor() -> None:
    """Make `train_ppo_ray` train a policy whose adapters are merged when it is sent and saved."""
    import ray
    from openrlhf.trainer.ray import ppo_actor

    from pivotgym.trainer.openrlhf.actor import LoraPolicyActor

    ppo_actor.PolicyModelActor = ray.remote(num_gpus=1)(LoraPolicyActor)


if __name__ == "__main__":
    main(sys.argv[1:])
