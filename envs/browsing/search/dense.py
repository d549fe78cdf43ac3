"""Dense retrieval beside BM25: an encoder that the user names, and the vectors of all pages on disk.

Owns: encoding texts, the vector file, exact search over it, and joining two rankings. Does not own: BM25, the pages and
the folder (`envs.browsing.search.index`).

The encoder is a local folder as `transformers` saves it; nothing is fetched, no code of the folder is run, and a copy
goes into the corpus, so that a corpus is complete. A text's vector is the mean of the encoder's last states over its
tokens, of length one (sentence encoders that want another pooling or a prefix are not served by this). Search is exact:
the file is memory-mapped and read in blocks. Products are rounded before they are ranked, and ties go by the order of
the pages, so that the last bits of a sum, which depend on the machine, seldom decide.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pivotgym.core.errors import ConfigError, MissingDependency

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

MODEL, VECTORS = "encoder", "vectors.f32"
DEPTH = 100
"""How far down each ranking goes into the joint one."""
_BATCH, _BLOCK, _MOST_TOKENS = 32, 65_536, 512
_SMOOTHING = 60
_FILES = ("*.json", "*.safetensors", "*.txt", "*.model")
_DECIMALS = 5


class Encoder:
    """Texts to vectors. Thread-safe: one text after the other.

    Args:
        folder: As `save_pretrained` of `transformers` writes model and tokenizer.

    Raises:
        MissingDependency: If `torch` or `transformers` is not installed.
        ConfigError: If the folder holds no encoder.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise MissingDependency(
                "dense: torch and transformers are not installed", hint="pip install 'pivotgym[train]'"
            ) from error
        if not (folder / "config.json").is_file():
            raise ConfigError(f"dense: expected a local folder with an encoder, found no config.json in {folder}")
        try:
            # Weights as safetensors only: other formats can run code when they are read.
            self._model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval().float()
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"dense: the encoder in {folder} cannot be read: {error}"[:300]) from error
        self._folder = folder
        self.size = int(self._model.config.hidden_size)
        places = getattr(self._model.config, "max_position_embeddings", _MOST_TOKENS)
        self._most = min(_MOST_TOKENS, int(places))
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """The vectors of some texts, (texts, size), each of length one; what is beyond 512 tokens does not count."""
        import torch

        with self._lock, torch.inference_mode():
            given = self._tokenizer(
                list(texts), padding=True, truncation=True, max_length=self._most, return_tensors="pt"
            )
            states = self._model(**given).last_hidden_state
            counted = given["attention_mask"].unsqueeze(-1).to(states.dtype)
            means = (states * counted).sum(1) / counted.sum(1).clamp(min=1)
            vectors: Vectors = torch.nn.functional.normalize(means, dim=1).numpy()
        return vectors

    def save(self, folder: Path) -> str:
        """Copy the encoder's files into a corpus; returns a SHA-256 of them, hex."""
        folder.mkdir()
        content = hashlib.sha256()
        for path in sorted(path for pattern in _FILES for path in self._folder.glob(pattern)):
            shutil.copyfile(path, folder / path.name)
            with path.open("rb") as file:
                content.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return content.hexdigest()


class VectorWriter:
    """Writes the vectors of pages in their order, a batch in memory; the rest at the end of its context."""

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self._encoder, self._texts = encoder, list[str]()
        self._file = (folder / VECTORS).open("wb")

    def add(self, text: str) -> None:
        """Add the next page."""
        self._texts.append(text)
        if len(self._texts) == _BATCH:
            self._write()

    def _write(self) -> None:
        if self._texts:
            self._file.write(self._encoder.encode(self._texts).astype("<f4").tobytes())
        self._texts.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self._write()
        finally:
            self._file.close()


class DenseIndex:
    """The encoder and the vectors of a corpus. Thread-safe. Raises as `Encoder`, and `ConfigError` for a cut file."""

    def __init__(self, folder: Path, pages: int) -> None:
        import numpy as np

        self._encoder = Encoder(folder / MODEL)
        file, due = folder / VECTORS, pages * self._encoder.size * 4
        if not file.is_file() or file.stat().st_size != due:
            raise ConfigError(f"corpus {folder.name!r}: expected {due} bytes of vectors", hint="build it again")
        self._vectors: Any = np.memmap(file, dtype="<f4", mode="r", shape=(pages, self._encoder.size))

    def search(self, query: str, limit: int = DEPTH) -> list[int]:
        """The numbers of the pages whose vectors are nearest to the query's, nearest first."""
        import numpy as np

        wanted = self._encoder.encode([query])[0]
        found: list[tuple[float, int]] = []
        for start in range(0, len(self._vectors), _BLOCK):
            near = np.round(self._vectors[start : start + _BLOCK] @ wanted, _DECIMALS)
            best = np.argsort(-near, kind="stable")[:limit]
            found = sorted([*found, *((-float(near[one]), start + int(one)) for one in best)])[:limit]
        return [number for _, number in found]


def joined(rankings: Sequence[Sequence[int]]) -> list[tuple[float, int]]:
    """Reciprocal rank fusion (Cormack et al. 2009, k = 60): score and number, best first; ties by number."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, number in enumerate(ranking, 1):
            scores[number] = scores.get(number, 0.0) + 1 / (_SMOOTHING + rank)
    return sorted(((score, number) for number, score in scores.items()), key=lambda one: (-one[0], one[1]))
