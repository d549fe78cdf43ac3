"""Checkpoints from which training goes on exactly as if it had never stopped.

Owns: what a checkpoint holds, and that it is whole or not there. Does not own: when one is made.

`root/step-000012/` holds `policy/` (a Hugging Face folder, usable alone), `trainer.pt` (master weights, Adam's
averages, states of the random generators) and `manifest.json` (schema, step, sizes, the caller's own record). Of a
policy with adapters `policy/` is the merged one; `trainer.pt` holds the adapters, and goes on from the weights that
they were put into, which the caller has.
"""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pivotgym.core.errors import DigestMismatch, InputError, NotFound
from pivotgym.trainer.learn.optim import OptimConfig, PolicyOptimizer
from pivotgym.trainer.policy import Policy
from pivotgym.trainer.policy.files import replace_folder
from pivotgym.trainer.policy.lora import adapter_parameters, add_adapters, load_adapters
from pivotgym.trainer.settings import LoraSettings

SCHEMA = 1


@dataclass(frozen=True)
class Checkpoint:
    """What `load_checkpoint` restores.

    Attributes:
        policy: With the weights of that step.
        optimizer: Of this policy, to go on with.
        step: Steps done.
        extra: The caller's record (JSON), such as its position in the data.
    """

    policy: Policy
    optimizer: PolicyOptimizer
    step: int
    extra: dict[str, Any]


def save_checkpoint(
    root: str | Path,
    policy: Policy,
    optimizer: PolicyOptimizer,
    *,
    step: int,
    extra: Mapping[str, Any] | None = None,
    keep: int = 2,
) -> Path:
    """Write `root/step-{step}`; then drop all but the newest `keep` checkpoints.

    Args:
        root: Folder of a run's checkpoints.
        policy: Saved as a Hugging Face folder.
        optimizer: Of this policy.
        step: Steps done.
        extra: The caller's own record, JSON values.
        keep: How many to keep, at least 1.

    Returns:
        The checkpoint's folder. A kill at any moment leaves all earlier ones whole.
    """
    if keep < 1:
        raise InputError(f"keep must be at least 1, got {keep}")
    target = Path(root) / f"step-{step:06d}"
    with replace_folder(target) as folder:
        policy.save(folder / "policy")
        adapters = {name: weight.detach() for name, weight in adapter_parameters(policy).items()}
        state = {"optimizer": optimizer.state_dict(), "rng": _rng_state(), "adapters": adapters}
        torch.save(state, folder / "trainer.pt")
        manifest = {
            "schema": SCHEMA,
            "step": step,
            "optim": dataclasses.asdict(optimizer.config),
            "dtype": str(policy.dtype).removeprefix("torch."),
            "lora": policy.lora.model_dump(mode="json") if policy.lora is not None else None,
            "base": policy.base_id,
            "sizes": {str(f.relative_to(folder)): f.stat().st_size for f in folder.rglob("*") if f.is_file()},
            "extra": dict(extra or {}),
        }
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
    for old in _complete(root)[:-keep]:
        shutil.rmtree(old)
    return target


def latest_checkpoint(root: str | Path) -> Path | None:
    """The newest whole checkpoint under `root`, or None."""
    found = _complete(root)
    return found[-1] if found else None


def load_checkpoint(path: str | Path, *, device: str = "cpu", base: Policy | None = None) -> Checkpoint:
    """Restore policy, optimiser and the global random generators (Python, NumPy, torch).

    Args:
        path: A checkpoint's folder.
        device: Where the policy goes.
        base: The policy that training began from. Where adapters were trained, they are put into it, if it has none
            yet; else it is not used.

    Raises:
        NotFound: It is no whole checkpoint.
        InputError: It was written by a later version, or holds adapters and no `base` was given.
        DigestMismatch: `base` is not the policy that the adapters were trained on.
    """
    folder = Path(path)
    manifest = _manifest(folder)
    if manifest is None:
        raise NotFound(f"{str(folder)!r} is not a whole checkpoint", hint="latest_checkpoint(root) finds the newest")
    if manifest["schema"] > SCHEMA:
        raise InputError(f"{str(folder)!r} has schema {manifest['schema']}, this version reads up to {SCHEMA}")
    state = torch.load(folder / "trainer.pt", map_location=device, weights_only=True)
    if manifest.get("lora") is None:
        policy = Policy.load(folder / "policy", dtype=manifest["dtype"], device=device)
    else:
        policy = _with_adapters(folder, base, manifest, state["adapters"])
    settings = {**manifest["optim"], "betas": tuple(manifest["optim"]["betas"])}
    optimizer = PolicyOptimizer(policy, OptimConfig(**settings))
    optimizer.load_state_dict(state["optimizer"])
    _set_rng_state(state["rng"])
    return Checkpoint(policy, optimizer, int(manifest["step"]), manifest["extra"])


def _with_adapters(
    folder: Path, base: Policy | None, manifest: dict[str, Any], adapters: dict[str, torch.Tensor]
) -> Policy:
    if base is None:
        raise InputError(
            f"base: expected the policy that the adapters in {str(folder)!r} were put into, got none",
            hint="its folder `policy` holds the merged weights, to use and not to go on from",
        )
    settings = LoraSettings.model_validate(manifest["lora"])
    if base.lora is None:
        add_adapters(base, settings)
    if (base.base_id, base.lora) != (manifest["base"], settings):
        raise DigestMismatch(
            f"{str(folder)!r}: expected the policy and the adapters it was trained with, got another policy or `lora`",
            hint="begin a new run, or give the policy and the settings of this one",
        )
    load_adapters(base, adapters)
    return base


def _complete(root: str | Path) -> list[Path]:
    folders = [folder for folder in Path(root).glob("step-*") if _manifest(folder) is not None]
    return sorted(folders, key=lambda folder: int(folder.name.removeprefix("step-")))


def _manifest(folder: Path) -> dict[str, Any] | None:
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
        whole = all((folder / name).stat().st_size == size for name, size in manifest["sizes"].items())
    except (OSError, ValueError, KeyError):
        return None
    return manifest if whole else None


def _rng_state() -> dict[str, Any]:
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(keys).copy()), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _set_rng_state(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    name, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((name, keys.cpu().numpy(), position, has_gauss, gauss))
    torch.set_rng_state(state["torch"].cpu())
    cards = state.get("cuda", [])
    if cards and len(cards) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([card.cpu() for card in cards])
