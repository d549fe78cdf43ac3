"""What lets an unmodified OpenRLHF 0.11.2 run where there is no GPU.

Owns: seven replacements, each made when the module it concerns is imported, in every process of the run. Does not own:
whether they are needed (`launch` installs them only where CUDA is absent). Nothing installed is changed.

They must be in place before anything imports OpenRLHF or vLLM, in Ray's workers and in the processes vLLM spawns: hence
a `sitecustomize` on their PYTHONPATH (`write_site`), which every Python reads as it starts.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

FLAG = "PIVOTGYM_OPENRLHF_CPU"
"""Environment variable without which the `sitecustomize` does nothing."""
WEIGHTS_LOG = "PIVOTGYM_OPENRLHF_WEIGHTS_LOG"
"""Environment variable that names a file; every weight an engine receives is written to it: name, shape, digest."""

Hook = Callable[[types.ModuleType], None]


def write_site(folder: Path) -> Path:
    """Write the `sitecustomize` that installs the replacements into each process; the folder goes on PYTHONPATH."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(
        f"import os\nif os.environ.get({FLAG!r}) == '1':\n    from {__name__} import install\n    install()\n"
    )
    return folder


def install() -> None:
    """Replace what needs CUDA, as the modules concerned are imported. Calling it again does nothing."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in BEFORE and fullname not in AFTER:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, fullname)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, inner: Any, name: str) -> None:
        self._inner, self._name = inner, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        made: types.ModuleType | None = self._inner.create_module(spec)
        return made

    def exec_module(self, module: types.ModuleType) -> None:
        undo = BEFORE[self._name]() if self._name in BEFORE else None
        try:
            self._inner.exec_module(module)
        finally:
            if undo is not None:
                undo()
        if self._name in AFTER:
            AFTER[self._name](module)


def _flash_attention_stands_in() -> Callable[[], None]:
    """Modules of flash attention that exist only while one module imports them, so that nobody else finds them."""
    from einops import rearrange

    def missing(*_: object, **__: object) -> None:
        raise RuntimeError("flash attention is not there without CUDA: no packing, no ring attention")

    names = ("flash_attn", "flash_attn.bert_padding", "flash_attn.utils", "flash_attn.utils.distributed")
    for name in names:
        made = types.ModuleType(name)
        made.__path__ = []
        sys.modules[name] = made
    padding: Any = sys.modules["flash_attn.bert_padding"]
    padding.index_first_axis = padding.pad_input = padding.unpad_input = missing
    padding.rearrange = rearrange
    distributed: Any = sys.modules["flash_attn.utils.distributed"]
    distributed.all_gather = missing

    def undo() -> None:
        for name in names:
            sys.modules.pop(name, None)

    return undo


class _Cpu(str):
    """`tensor.to(torch.cuda.current_device())` goes to the CPU, and f"cuda:{...}" stays a device that can be read."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return "0"


def _cuda_is_the_cpu(_: types.ModuleType) -> None:
    import torch

    cuda: Any = torch.cuda
    if torch.cuda.is_available() or isinstance(getattr(cuda, "_pivotgym_device", None), _Cpu):
        return
    cuda._pivotgym_device = _Cpu("cpu")
    cuda.current_device = lambda: cuda._pivotgym_device
    for name in ("set_device", "synchronize", "empty_cache", "current_stream"):
        setattr(cuda, name, lambda *_, **__: None)


def _device_mesh_on_the_cpu(module: Any) -> None:
    _cuda_is_the_cpu(module)
    made = module.init_device_mesh
    module.init_device_mesh = lambda device, *args, **kwargs: made(
        "cpu" if device == "cuda" else device, *args, **kwargs
    )


class GlooBroadcast:
    """What OpenRLHF uses of vLLM's NCCL communicator, over gloo; without it every engine's weights stay unset."""

    def __init__(self, host: str, port: int, rank: int, world_size: int) -> None:
        from datetime import timedelta

        from torch import distributed

        dist: Any = distributed
        timeout = timedelta(minutes=10)
        self._store = dist.TCPStore(host, int(port), world_size, rank == 0, timeout, True)
        store = dist.PrefixStore("pivotgym-weights", self._store)
        self._group: Any = dist.ProcessGroupGloo(store, rank, world_size, timeout)

    def broadcast(self, tensor: Any, src: int = 0, stream: object = None) -> None:
        """Send from rank `src` to all, in place."""
        import torch
        import torch.distributed as dist

        options = dist.BroadcastOptions()
        options.rootRank = src
        whole = tensor.detach().contiguous()
        self._group.broadcast([whole.view(torch.uint8)], options).wait()
        if whole.data_ptr() != tensor.data_ptr():
            tensor.copy_(whole)


def _weights_over_gloo(module: Any) -> None:
    module.stateless_init_process_group = lambda host, port, rank, size, device: GlooBroadcast(host, port, rank, size)


def _weights_received_on_the_cpu(module: Any) -> None:
    def update_weight(self: Any, name: str, dtype: Any, shape: Any, empty_cache: bool = False) -> None:
        import torch

        if dtype != self.model_config.dtype:
            raise TypeError(f"{name}: expected weights of {self.model_config.dtype}, got {dtype}")
        weight = torch.empty(shape, dtype=dtype)
        self._model_update_group.broadcast(weight, src=0)
        self.model_runner.model.load_weights(weights=[(name, weight)])
        if path := os.environ.get(WEIGHTS_LOG):
            with open(path, "a") as log:
                log.write(f"{os.getpid()} {name} {tuple(weight.shape)} {weight_digest(weight)}\n".replace(", ", ","))

    module.WorkerWrap.update_weight = update_weight


def weight_digest(weight: Any) -> str:
    """SHA-256 over a tensor's bytes."""
    import hashlib

    import torch

    return hashlib.sha256(weight.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()


def _weights_read_at_every_call(module: Any) -> None:
    """The CPU engine packs weights once and drops them, after which new ones cannot be loaded."""

    def dispatch_cpu_unquantized_gemm(layer: Any, remove_weight: bool) -> None:
        import torch

        layer.cpu_linear = torch.nn.functional.linear

    module.dispatch_cpu_unquantized_gemm = dispatch_cpu_unquantized_gemm


def _draws_taken_back_on_the_cpu(module: Any) -> None:
    """A draw for a prompt that is not read to its end is taken back; generators on a CPU cannot step back by a count.

    Nothing that counts was drawn before a prompt's end, so the generator begins anew.
    """
    kept = module.GPUModelRunner._bookkeeping_sync

    def _bookkeeping_sync(self: Any, *args: Any, **kwargs: Any) -> Any:
        batch = self.input_batch
        unread = self.discard_request_mask.np[: batch.num_reqs].nonzero()[0].tolist()
        hidden = {row: batch.generators.pop(row) for row in unread if row in batch.generators}
        for generator in hidden.values():
            generator.manual_seed(generator.initial_seed())
        try:
            return kept(self, *args, **kwargs)
        finally:
            batch.generators.update(hidden)

    module.GPUModelRunner._bookkeeping_sync = _bookkeeping_sync


BEFORE: dict[str, Callable[[], Callable[[], None]]] = {
    "openrlhf.models.ring_attn_utils": _flash_attention_stands_in,
}
AFTER: dict[str, Hook] = {
    "openrlhf.trainer.ppo_utils.replay_buffer": _cuda_is_the_cpu,
    "openrlhf.trainer.ray.launcher": _cuda_is_the_cpu,
    "openrlhf.utils.deepspeed.deepspeed": _device_mesh_on_the_cpu,
    "openrlhf.utils.distributed_util": _weights_over_gloo,
    "openrlhf.trainer.ray.vllm_worker_wrap": _weights_received_on_the_cpu,
    "vllm.model_executor.layers.utils": _weights_read_at_every_call,
    "vllm.v1.worker.gpu_model_runner": _draws_taken_back_on_the_cpu,
}
"""Module -> what is replaced when it has been imported."""
