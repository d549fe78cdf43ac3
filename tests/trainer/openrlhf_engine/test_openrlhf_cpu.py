"""The replacements for machines without a GPU, as far as they can be tried without the whole set."""

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pivotgym.trainer.openrlhf import cpu

PROBE = "import sys; print(any(type(f).__module__ == 'pivotgym.trainer.openrlhf.cpu' for f in sys.meta_path))"


@pytest.mark.parametrize(("flag", "installed"), [("1", "True"), ("0", "False")])
def test_every_process_is_reached_and_only_where_there_is_no_gpu(tmp_path, flag, installed):
    site = cpu.write_site(tmp_path / "site")

    environment = {**os.environ, "PYTHONPATH": str(site), cpu.FLAG: flag}
    found = subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=True)

    assert found.stdout.strip() == installed


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_weights_arrive_as_they_were_sent(dtype):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sent = torch.randn(64, 3, generator=torch.Generator().manual_seed(0)).to(dtype)

    def take_part(rank):
        tensor = sent.clone() if rank == 0 else torch.zeros_like(sent)
        cpu.GlooBroadcast("127.0.0.1", port, rank, 3).broadcast(tensor)
        return tensor

    with ThreadPoolExecutor(3) as pool:
        received = list(pool.map(take_part, range(3)))

    assert {cpu.weight_digest(tensor) for tensor in received} == {cpu.weight_digest(sent)}


def test_a_weight_s_digest_is_of_its_bytes():
    weight = torch.ones(4, dtype=torch.bfloat16)

    assert cpu.weight_digest(weight) == cpu.weight_digest(weight.clone())
    assert cpu.weight_digest(weight) != cpu.weight_digest(weight.float())


def test_a_draw_before_the_prompts_end_is_taken_back():
    """Without it vLLM asks the generator for an offset, which one on a CPU does not have, and the engine dies."""

    class Runner:
        def _bookkeeping_sync(self):
            for row in self.discard_request_mask.np.nonzero()[0]:
                if (generator := self.input_batch.generators.get(int(row))) is not None:
                    generator.set_offset(generator.get_offset() - 4)
            return "done"

    cpu._draws_taken_back_on_the_cpu(SimpleNamespace(GPUModelRunner=Runner))
    generators = {row: torch.Generator().manual_seed(7) for row in (0, 1)}
    first = [torch.rand(1, generator=generators[row]).item() for row in (0, 1)]
    runner = Runner()
    runner.input_batch = SimpleNamespace(num_reqs=2, generators=dict(generators))
    runner.discard_request_mask = SimpleNamespace(np=np.array([True, False, True]))

    assert runner._bookkeeping_sync() == "done"

    again = [torch.rand(1, generator=runner.input_batch.generators[row]).item() for row in (0, 1)]
    assert again[0] == first[0]
    assert again[1] != first[1]
