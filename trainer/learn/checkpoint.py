"""Checkpoints from which training goes on exactly as if it had never stopped.

Owns: what a checkpoint holds, and that it is whole or not there. Does not own: when one is made.

`root/step-000012/` holds `policy/` (a Hugging Face folder, usable alone), `trainer.pt` (master weights, Adam's
averages, states of the random generators) and `manifest.json` (schema, step, sizes, the caller's own record).
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

from pivotgym.core.errors import InputError, NotFound
from pivotgym.trainer.learn.optim import OptimConfig, PolicyOptimizer
from pivotgym.trainer.policy import Policy
from pivotgym.trainer.policy.files import replace_folder

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
        torch.save({"optimizer": optimizer.state_dict(), "rng": _rng_state()}, folder / "trainer.pt")
        manifest = {
            "schema": SCHEMA,
            "step": step,
            "optim": dataclasses.asdict(optimizer.config),
            "dtype": str(policy.dtype).removeprefix("torch."),
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


def load_checkpoint(path: str | Path, *, device: str = "cpu") -> Checkpoint:
    """Restore policy, optimiser and the global random generators (Python, NumPy, torch).

    Args:
        path: A checkpoint's folder.
        device: Where the policy goes.

    Raises:
        NotFound: It is no whole checkpoint.
        InputError: It was written by a later version.
    """
    folder = Path(path)
    manifest = _manifest(folder)
    if manifest is None:
        raise NotFound(f"{str(folder)!r} is not a whole checkpoint", hint="latest_checkpoint(root) finds the newest")
    if manifest["schema"] > SCHEMA:
        raise InputError(f"{str(folder)!r} has schema {manifest['schema']}, this version reads up to {SCHEMA}")
    policy = Policy.load(folder / "policy", dtype=manifest["dtype"], device=device)
    settings = {**manifest["optim"], "betas": tuple(manifest["optim"]["betas"])}
    optimizer = PolicyOptimizer(policy, OptimConfig(**settings))
    state = torch.load(folder / "trainer.pt", map_location=device, weights_only=True)
    optimizer.load_state_dict(state["optimizer"])
    _set_rng_state(state["rng"])
    return Checkpoint(policy, optimizer, int(manifest["step"]), manifest["extra"])


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
    }


def _set_rng_state(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    name, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((name, keys.cpu().numpy(), position, has_gauss, gauss))
    torch.set_rng_state(state["torch"].cpu())
