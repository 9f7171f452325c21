"""What we measure ourselves against: transformers' `generate`, CTranslate2, and no cache at all."""

import contextlib
import importlib.util
import multiprocessing
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

MISSING_CTRANSLATE2 = "not installed: pip install ctranslate2"


def generate(folder: Path, prompts: np.ndarray, new_tokens: int, dtype: torch.dtype) -> Callable:
    """`GPT2LMHeadModel.generate`, greedy, dynamic cache."""
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel.from_pretrained(folder, dtype=dtype).eval()
    inputs = torch.as_tensor(prompts)
    options = {
        "attention_mask": torch.ones_like(inputs),
        "do_sample": False,
        "max_new_tokens": new_tokens,
        "min_new_tokens": new_tokens,
        "pad_token_id": 0,
    }

    def run() -> None:
        with torch.inference_mode():
            model.generate(inputs, **options)  # type: ignore[attr-defined]  # its stub asks for more

    return run


def re_encode(folder: Path, prompts: np.ndarray, new_tokens: int, dtype: torch.dtype) -> Callable:
    """An environment that reads the whole text again for each word, as those without a cache do."""
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel.from_pretrained(folder, dtype=dtype).eval()

    def run() -> None:
        tokens = torch.as_tensor(prompts)
        with torch.inference_mode():
            for _ in range(new_tokens):
                logits = model(tokens, use_cache=False, logits_to_keep=1).logits[:, -1]
                tokens = torch.cat([tokens, logits.argmax(-1, keepdim=True)], 1)

    return run


def ctranslate2_generate(
    folder: Path, prompts: np.ndarray, new_tokens: int, kind: str
) -> Callable | None:
    """CTranslate2's batched greedy generation in "float32" or "int8"; None where not installed.

    It lives in a process of its own: its threads spin while they wait and would slow us down.
    """
    if importlib.util.find_spec("ctranslate2") is None:
        return None
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    arguments = (theirs, folder, prompts, new_tokens, kind, torch.get_num_threads())
    context.Process(target=_serve_ctranslate2, args=arguments, daemon=True).start()

    def run() -> None:
        ours.send(True)
        ours.recv()

    return run


def _serve_ctranslate2(
    connection: Connection,
    folder: Path,
    prompts: np.ndarray,
    new_tokens: int,
    kind: str,
    threads: int,
) -> None:
    """Generates once for every message, and answers when done."""
    import ctranslate2  # type: ignore[import-not-found]  # optional
    from ctranslate2.converters import (  # type: ignore[import-not-found]  # optional
        TransformersConverter,
    )

    target = Path(tempfile.mkdtemp()) / kind
    _with_plain_words(TransformersConverter)(str(folder)).convert(str(target), quantization=kind)
    generator = ctranslate2.Generator(str(target), compute_type=kind, intra_threads=threads)
    words = [[f"w{token}" for token in row] for row in prompts]
    options = {"max_length": new_tokens, "min_length": new_tokens}
    with contextlib.suppress(EOFError):  # the asking process has ended
        while connection.recv():
            generator.generate_batch(words, include_prompt_in_result=False, **options)
            connection.send(True)


def _with_plain_words(converter: type) -> type:
    """A converter that names words by number, so that any vocabulary will do."""
    from transformers import GPT2Config

    class Tokenizer:
        unk_token = bos_token = eos_token = "w50256"

        def get_vocab(self) -> dict[str, int]:
            return {f"w{number}": number for number in range(GPT2Config().vocab_size)}

    class PlainWords(converter):
        def load_tokenizer(self, *args: object, **kwargs: object) -> Tokenizer:
            return Tokenizer()

    return PlainWords
