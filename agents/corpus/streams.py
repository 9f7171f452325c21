"""The corpus as token streams: a byte-level BPE, and random windows of each part.

Owns the tokenized corpus, cached in the run folder. Knows nothing of models.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers, trainers

from agents.corpus.documents import PARTS, documents
from lm_envs.storage import write_atomically
from lm_envs.tokenizer import END_OF_TEXT, Tokenizer

VALIDATION_WINDOWS = 48


class Mix(Protocol):
    """Settings that a batch depends on besides its step."""

    batch_size: int
    context: int
    seed: int
    mix: dict[str, float]


def train_tokenizer(path: Path, vocab_size: int) -> Tokenizer:
    """Loads the byte-level BPE at `path`, or trains it on the training documents and saves it."""
    if not path.exists():
        backend = tokenizers.Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=[END_OF_TEXT],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        texts = [text for part in PARTS for text in documents(part, "train")]
        backend.train_from_iterator(texts, trainer)
        write_atomically(path, lambda temporary: backend.save(str(temporary)))
    return Tokenizer.from_folder(path.parent)


class Streams:
    """Token ids of each part: its shuffled documents, each followed by the end-of-text token."""

    def __init__(self, tokenizer: Tokenizer, folder: Path, seed: int) -> None:
        self._train = {part: _stream(tokenizer, part, "train", folder, seed) for part in PARTS}
        self._validation = {
            part: _stream(tokenizer, part, "validation", folder, seed) for part in PARTS
        }

    def batch(self, mix: Mix, step: int) -> torch.Tensor:
        """Draws the windows (B, T) int64 of a step: each at a random position of a random part."""
        rng = np.random.default_rng((mix.seed, step))
        weights = np.array([mix.mix.get(part, 0.0) for part in PARTS])
        chosen = rng.choice(len(PARTS), mix.batch_size, p=weights / weights.sum())
        rows = []
        for part in chosen:
            stream = self._train[PARTS[part]]
            start = rng.integers(len(stream) - mix.context)
            rows.append(stream[start : start + mix.context])
        return torch.from_numpy(np.stack(rows).astype(np.int64))

    def validation(self, context: int) -> dict[str, torch.Tensor]:
        """Returns evenly spaced windows (W, T) int64 of each part's validation documents."""
        windows = {}
        for part, stream in self._validation.items():
            usable = np.resize(stream, max(len(stream), context + 1))
            count = min(VALIDATION_WINDOWS, max(1, len(usable) // context))
            starts = np.linspace(0, len(usable) - context - 1, count).astype(int)
            rows = np.stack([usable[start : start + context] for start in starts])
            windows[part] = torch.from_numpy(rows.astype(np.int64))
        return windows


def _stream(tokenizer: Tokenizer, part: str, split: str, folder: Path, seed: int) -> np.ndarray:
    """Returns ids (T,) uint16; cached in a file, because encoding takes longer than reading."""
    path = folder / f"{part}-{split}.npy"
    if not path.exists():
        texts = documents(part, split)
        order = np.random.default_rng(seed).permutation(len(texts))
        ids = [np.append(tokenizer.encode(texts[index]), tokenizer.end_token) for index in order]
        stream = np.concatenate(ids).astype(np.uint16)

        def save(temporary: Path) -> None:
            with temporary.open("wb") as file:
                np.save(file, stream)

        write_atomically(path, save)
    return np.load(path, allow_pickle=False)
