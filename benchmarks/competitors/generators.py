"""What we measure ourselves against: transformers, CTranslate2, and no cache at all.

Owns how each of them is asked for texts of so many words. Knows nothing of clocks.
"""

import logging
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness.processes import Job, Writer
from lm_envs.model import loading


def generate(job: Job) -> Writer:
    """`GPT2LMHeadModel.generate`, greedy, dynamic cache."""
    model = _model(job)
    inputs = torch.as_tensor(job.prompts(), device=model.device)
    mask = torch.ones_like(inputs)

    def write(words: int) -> None:
        with torch.inference_mode():
            model.generate(inputs, attention_mask=mask, **_greedy(words))

    return write


def continuous_batching(job: Job) -> Writer:
    """`GPT2LMHeadModel.generate_batch`: pages of 128 tokens, every row in each pass."""
    from transformers import ContinuousBatchingConfig, GenerationConfig

    logging.getLogger("ContinuousBatchingLogger").setLevel(logging.ERROR)
    model = _model(job)
    pages = -(-(job.prompt + job.new) // 128)
    room = ContinuousBatchingConfig(
        page_size=128,
        num_blocks=job.num_rows * pages + 1,
        max_batch_tokens=job.num_rows * job.prompt,
        max_requests_per_batch=job.num_rows,
        allow_block_sharing=False,  # prompts come again, and nobody is to remember them
    )
    inputs = job.prompts().tolist()

    def write(words: int) -> None:
        config = GenerationConfig(eos_token_id=-1, **_greedy(words))
        model.generate_batch(inputs, config, room, persistent_manager=True, warmup=False)

    return write


def re_encode(job: Job) -> Writer:
    """An environment that reads the whole text again for each word, as those without a cache do."""
    model = _model(job)

    def write(words: int) -> None:
        tokens = torch.as_tensor(job.prompts(), device=model.device)
        with torch.inference_mode():
            for _ in range(words):
                logits = model(tokens, use_cache=False, logits_to_keep=1).logits[:, -1]
                tokens = torch.cat([tokens, logits.argmax(-1, keepdim=True)], 1)

    return write


def ctranslate2_float32(job: Job) -> Writer:
    """CTranslate2's batched greedy generation in float32."""
    return _ctranslate2(job, "float32")


def ctranslate2_int8(job: Job) -> Writer:
    """CTranslate2's batched greedy generation in int8."""
    return _ctranslate2(job, "int8")


def _model(job: Job) -> Any:  # noqa: ANN401 - of transformers, whose stubs ask for more than it does
    from transformers import GPT2LMHeadModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    kind = loading.DTYPES.get(job.dtype, torch.bfloat16)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return GPT2LMHeadModel.from_pretrained(job.folder, dtype=kind).eval().to(device)  # type: ignore[arg-type]  # as above


def _greedy(words: int) -> dict[str, Any]:
    limits = {"max_new_tokens": words, "min_new_tokens": words}
    return {"do_sample": False, "pad_token_id": 0, **limits}


def _ctranslate2(job: Job, kind: str) -> Writer:
    import ctranslate2  # type: ignore[import-not-found]  # optional
    from ctranslate2.converters import (  # type: ignore[import-not-found]  # optional
        TransformersConverter,
    )

    target = Path(tempfile.mkdtemp()) / kind
    converter = _with_plain_words(TransformersConverter)(str(job.folder))
    converter.convert(str(target), quantization=kind)
    device, threads = ("cuda", 0) if torch.cuda.is_available() else ("cpu", torch.get_num_threads())
    generator = ctranslate2.Generator(
        str(target), device=device, compute_type=kind, intra_threads=threads
    )
    words = [[f"w{token}" for token in row] for row in job.prompts()]
    generate_batch = partial(generator.generate_batch, words, include_prompt_in_result=False)
    return lambda count: generate_batch(max_length=count, min_length=count)


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
