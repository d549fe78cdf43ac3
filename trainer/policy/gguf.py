"""A GGUF file turned into a Hugging Face folder, once.

Owns: the conversion and the mending of SmolLM2's tokenizer. Does not own: fetching the file.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer

from pivotgym.core.errors import ConfigError, MissingDependency, NotFound
from pivotgym.trainer.policy.files import replace_folder, without_bars
from pivotgym.trainer.policy.model import DTYPES, DType

_END_OF_TURN = "<|im_end|>"


def convert_gguf(gguf_path: str | Path, out_dir: str | Path, *, dtype: DType = "bfloat16") -> Path:
    """Dequantise a GGUF file into a Hugging Face folder; a folder that is already there is kept as it is.

    The end-of-text and padding tokens become `<|im_end|>` when the vocabulary has it: GGUF files of ChatML models such
    as SmolLM2 name `<|im_start|>` as end of text and no padding, with which sampling never stops.

    Args:
        gguf_path: The file.
        out_dir: The folder to make; written beside and renamed, so it is whole or not there.
        dtype: Type of the stored weights. A 4-bit file loses nothing that matters in bfloat16.

    Returns:
        `out_dir`.

    Raises:
        NotFound: There is no such file.
        ConfigError: Unknown `dtype`.
        MissingDependency: The packages `gguf` and `accelerate` are not installed.
    """
    source, target = Path(gguf_path), Path(out_dir)
    if (target / "config.json").is_file():
        return target
    if not source.is_file():
        raise NotFound(f"gguf_path {str(source)!r} is not a file")
    if dtype not in DTYPES:
        raise ConfigError(f"dtype must be one of {sorted(DTYPES)}, got {dtype!r}")
    try:
        for package in ("gguf", "accelerate"):
            importlib.import_module(package)
    except ImportError as error:
        raise MissingDependency(
            f"converting a GGUF file needs the package {error.name!r}", hint="pip install 'pivotgym[train]'"
        ) from error
    with without_bars():
        model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=DTYPES[dtype])
        tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    # What decoding would "clean up" are spaces that belong to the text of a tool call.
    tokenizer.clean_up_tokenization_spaces = False
    if _END_OF_TURN in tokenizer.get_vocab():
        end = tokenizer.convert_tokens_to_ids(_END_OF_TURN)
        tokenizer.eos_token = tokenizer.pad_token = _END_OF_TURN
        for settings in (model.config, model.generation_config):
            settings.eos_token_id = settings.pad_token_id = end
    with replace_folder(target) as folder, without_bars():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return target
