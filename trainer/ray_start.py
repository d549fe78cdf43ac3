"""Ray on this machine, and the environment of its workers, for training through OpenRLHF and for the batch engine.

Owns: these two. Does not own: what runs there (`openrlhf.launch`, `ray_engine`), the shims of machines without CUDA
(`openrlhf.cpu`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from pivotgym.trainer.openrlhf import cpu

CPU_PLACES = 64
"""CPUs and GPUs that Ray is told of where there is no GPU: they only place processes, nothing is held back."""
STARTS = 5
"""Times that Ray is started at the most."""


def worker_environment(*, cuda: bool, site: Path | None = None, threads: int = 1) -> dict[str, str]:
    """Environment variables of every process of the run.

    Args:
        cuda: Whether it runs on GPUs.
        site: Folder of the `sitecustomize` for machines without one.
        threads: Of each process where there is no GPU, unless `OMP_NUM_THREADS` says it.
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
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)),
            # Ray makes its workers as nice as can be; here they are all that computes.
            "RAY_worker_niceness": "0",
            "GLOO_SOCKET_IFNAME": "lo",
            "VLLM_HOST_IP": "127.0.0.1",
        }
    return made


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
