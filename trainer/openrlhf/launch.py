"""The process that runs OpenRLHF: `python -m pivotgym.trainer.openrlhf.launch FLAGS`.

Owns: Ray, the environment of its workers, and putting our trainer (and policy, with LoRA) in the place of OpenRLHF's.
Does not own: the flags (`flags`), the loop, which is OpenRLHF's own `train_ppo_ray`.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from typing import Any

from pivotgym.trainer.openrlhf import cpu
from pivotgym.trainer.openrlhf.processes import RUN_ENV, end_all, end_with_starter, keep_descendants
from pivotgym.trainer.openrlhf.settings import AGENT_ENV

RAY_ADDRESS_ENV = "PIVOTGYM_OPENRLHF_RAY"
"""Environment variable with the address of a running Ray cluster; empty or absent starts one here."""
ENTRY = "openrlhf.cli.train_ppo_ray"
CPU_PLACES = 64
"""CPUs and GPUs that Ray is told of where there is no GPU: they only place processes, nothing is held back."""
STARTS = 5
"""Times that Ray is started at the most."""
_PASSED = (AGENT_ENV, RUN_ENV, cpu.FLAG, cpu.WEIGHTS_LOG)


def worker_environment(*, cuda: bool, site: Path | None = None) -> dict[str, str]:
    """Environment variables of every process of the run.

    Args:
        cuda: Whether it runs on GPUs.
        site: Folder of the `sitecustomize` for machines without one.
    """
    made = {
        "TOKENIZERS_PARALLELISM": "false",
        "NCCL_DEBUG": os.environ.get("NCCL_DEBUG", "WARN"),
        "RAY_ENABLE_ZERO_COPY_TORCH_TENSORS": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    if not cuda:
        made |= {
            cpu.FLAG: "1",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(site or ""), os.environ.get("PYTHONPATH", "")])),
            "DS_ACCELERATOR": "cpu",
            # DeepSpeed builds its optimiser with the ninja that is installed beside this Python.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1",
            "VLLM_CPU_KVCACHE_SPACE": os.environ.get("VLLM_CPU_KVCACHE_SPACE", "1"),
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
            # Ray makes its workers as nice as can be; here they are all that computes.
            "RAY_worker_niceness": "0",
            "GLOO_SOCKET_IFNAME": "lo",
            "VLLM_HOST_IP": "127.0.0.1",
        }
    return made


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


def start_ray(variables: dict[str, str], places: dict[str, Any]) -> None:
    """Start Ray on this machine; it gives its parts 30 s, too few where much else runs, so it is tried again."""
    import ray

    for left in reversed(range(STARTS)):
        try:
            ray.init(include_dashboard=False, runtime_env={"env_vars": variables}, **places)
            return
        except Exception as error:
            if not left or "timed out during startup" not in str(error):
                raise
            ray.shutdown()


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
