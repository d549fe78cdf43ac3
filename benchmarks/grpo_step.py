"""Time of one GRPO step (sampling and update) with and without shared prefixes.

    python benchmarks/grpo_step.py MODEL_FOLDER [--states 200 1000 4000] [--groups 8 16] [--repeats 3] [--threads 2]

One state of random tokens, G actions of exactly 32 tokens, alternating rewards, bf16. "plain" is the same code without
sharing: every sample is prefilled by itself, and the update runs over rows of state + action. Prints wall and CPU
seconds (medians) and the ratio plain / shared.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from pivotgym.trainer.learn import Group, GrpoConfig, OptimConfig, PolicyOptimizer, grpo_step
from pivotgym.trainer.learn.losses import group_advantages
from pivotgym.trainer.policy import Policy, SamplingParams, StateRequest, sample
from pivotgym.trainer.policy.head import selected_logprobs

ACTION_TOKENS = 32
PARAMS = SamplingParams(max_new_tokens=ACTION_TOKENS)
# Rows of the plain update that go through the model together; 64k tokens at once would need 50 GB.
ROW_TOKENS = 4500


def sample_shared(policy: Policy, state: list[int], count: int) -> list[list[int]]:
    [samples] = sample(policy, [StateRequest("s", state, (1.0,) * count)], PARAMS, seed=0)
    return [sampled.token_ids for sampled in samples]


def sample_plain(policy: Policy, state: list[int], count: int) -> list[list[int]]:
    requests = [StateRequest(f"s{index}", state, (1.0,)) for index in range(count)]
    return [samples[0].token_ids for samples in sample(policy, requests, PARAMS, seed=0, share_prefixes=False)]


def update_shared(policy: Policy, optimizer: PolicyOptimizer, state: list[int], actions: list[list[int]]) -> None:
    rewards = [float(index % 2) for index in range(len(actions))]
    grpo_step(policy, optimizer, [Group(state, actions, rewards)], GrpoConfig())


def update_plain(policy: Policy, optimizer: PolicyOptimizer, state: list[int], actions: list[list[int]]) -> None:
    advantages = torch.tensor(group_advantages([float(index % 2) for index in range(len(actions))]))
    targets = torch.tensor(actions)
    rows = torch.tensor([[*state, *action[:-1]] for action in actions])
    size = max(1, ROW_TOKENS // rows.shape[1])
    for at in range(0, len(actions), size):
        hidden = policy.model.base_model(rows[at : at + size], use_cache=False).last_hidden_state[:, len(state) - 1 :]
        flat = hidden.flatten(0, 1)
        chosen, _ = selected_logprobs(
            flat, policy.head, torch.arange(len(flat)), targets[at : at + size].flatten(), 1.0
        )
        weight = advantages[at : at + size].repeat_interleave(ACTION_TOKENS)
        (-(torch.exp(chosen - chosen.detach()) * weight).sum() / targets.numel()).backward()
    optimizer.step()


def timed(repeats: int, work: Callable[[], object]) -> tuple[float, float]:
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--states", type=int, nargs="+", default=[200, 1000, 4000])
    parser.add_argument("--groups", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    policy = Policy.load(options.model)
    optimizer = PolicyOptimizer(policy, OptimConfig(lr=1e-7))
    print("| state | G | part | shared wall / CPU s | plain wall / CPU s | ratio wall | ratio CPU |")
    print("|---|---|---|---|---|---|---|")
    for length in options.states:
        generator = torch.Generator().manual_seed(length)
        state = torch.randint(100, len(policy.head) - 100, (length,), generator=generator).tolist()
        for count in options.groups:
            compare(policy, optimizer, state, count, options.repeats)


def compare(policy: Policy, optimizer: PolicyOptimizer, state: list[int], count: int, repeats: int) -> None:
    actions = sample_shared(policy, state, count)
    update_shared(policy, optimizer, state, actions)
    shared = [
        timed(repeats, lambda: sample_shared(policy, state, count)),
        timed(repeats, lambda: update_shared(policy, optimizer, state, actions)),
    ]
    plain = [
        timed(repeats, lambda: sample_plain(policy, state, count)),
        timed(repeats, lambda: update_plain(policy, optimizer, state, actions)),
    ]
    for times in (shared, plain):
        times.append((times[0][0] + times[1][0], times[0][1] + times[1][1]))
    for part, (wall, cpu), (plain_wall, plain_cpu) in zip(("sample", "update", "step"), shared, plain, strict=True):
        ratios = f"{plain_wall / wall:.1f} | {plain_cpu / cpu:.1f}"
        cells = f"{wall:.1f} / {cpu:.1f} | {plain_wall:.1f} / {plain_cpu:.1f} | {ratios}"
        print(f"| {len(state)} | {count} | {part} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
