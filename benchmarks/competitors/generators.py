"""Other generators in `throughput`: transformers, CTranslate2, and generation without a KV cache.

Owns how each generates a fixed number of tokens. Knows nothing of clocks.
"""

import logging
import tempfile
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness.device import default_device
from benchmarks.harness.processes import GenerateFn, GenerationJob
from lm_envs.model import loading

PAGE_TOKENS = 128
"""Tokens of a page of the KV cache in continuous batching."""


def transformers_generate(job: GenerationJob) -> GenerateFn:
    """`generate` of the causal model: greedy, with its dynamic KV cache."""
    return _generate(job)


def transformers_static(job: GenerationJob) -> GenerateFn:
    """As `transformers_generate`, with a static KV cache, for which it compiles on CUDA."""
    return _generate(job, cache_implementation="static")


def vllm_generate(job: GenerationJob) -> GenerateFn:
    """Offline generation of vLLM: greedy, without its cache of prompts."""
    from vllm import LLM, SamplingParams  # type: ignore[import-not-found]  # optional

    model = LLM(
        str(job.folder),
        dtype=job.dtype,
        max_model_len=job.prompt + job.new,
        max_num_seqs=job.num_rows,
        enable_prefix_caching=False,  # prompts repeat, and no competitor may cache them
        skip_tokenizer_init=True,
        gpu_memory_utilization=0.5,
    )
    prompts = [{"prompt_token_ids": row} for row in job.random_prompts().tolist()]

    def generate(num_tokens: int) -> list[Any]:
        limits = {"max_tokens": num_tokens, "min_tokens": num_tokens}
        options = SamplingParams(temperature=0.0, ignore_eos=True, detokenize=False, **limits)
        return model.generate(prompts, options, use_tqdm=False)

    return generate


def _generate(job: GenerationJob, **options: Any) -> GenerateFn:  # noqa: ANN401 - transformers' own
    model = _load(job)
    inputs = torch.as_tensor(job.random_prompts(), device=model.device)
    mask = torch.ones_like(inputs)

    def generate(num_tokens: int) -> torch.Tensor:
        with torch.inference_mode():
            limits = _greedy(num_tokens)
            return model.generate(inputs, attention_mask=mask, **limits, **options)

    return generate


def continuous_batching(job: GenerationJob) -> GenerateFn:
    """`generate_batch` of the causal model: a paged KV cache, all rows in each forward pass."""
    from transformers import ContinuousBatchingConfig, GenerationConfig

    logging.getLogger("ContinuousBatchingLogger").setLevel(logging.ERROR)
    model = _load(job)
    pages = -(-(job.prompt + job.new) // PAGE_TOKENS)
    is_older = "page_size" not in signature(ContinuousBatchingConfig).parameters
    page: dict[str, Any] = {"block_size" if is_older else "page_size": PAGE_TOKENS}
    batching = ContinuousBatchingConfig(
        **page,
        num_blocks=job.num_rows * pages + 1,
        max_batch_tokens=job.num_rows * job.prompt,
        max_requests_per_batch=job.num_rows,
        allow_block_sharing=False,  # prompts repeat, and no competitor may cache them
    )
    inputs = job.random_prompts().tolist()

    def generate(num_tokens: int) -> dict[str, Any]:
        # -1 is no token, so that no text ends early
        config = GenerationConfig(eos_token_id=-1, **_greedy(num_tokens))
        return model.generate_batch(inputs, config, batching, persistent_manager=True, warmup=False)

    return generate


def re_encoding(job: GenerationJob) -> GenerateFn:
    """Encodes the whole text again for each token, as an environment without a KV cache does."""
    model = _load(job)

    def generate(num_tokens: int) -> torch.Tensor:
        tokens = torch.as_tensor(job.random_prompts(), device=model.device)
        with torch.inference_mode():
            for _ in range(num_tokens):
                logits = model(tokens, use_cache=False, logits_to_keep=1).logits[:, -1]
                tokens = torch.cat([tokens, logits.argmax(-1, keepdim=True)], 1)
        return tokens

    return generate


def ctranslate2_float32(job: GenerationJob) -> GenerateFn:
    """CTranslate2's batched greedy generation in float32."""
    return _ctranslate2(job, "float32")


def ctranslate2_int8(job: GenerationJob) -> GenerateFn:
    """CTranslate2's batched greedy generation in int8."""
    return _ctranslate2(job, "int8")


def _load(job: GenerationJob) -> Any:  # noqa: ANN401 - transformers' type stubs are too strict
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    dtype = loading.DTYPES.get(job.dtype, torch.bfloat16)
    model = AutoModelForCausalLM.from_pretrained(job.folder, dtype=dtype).eval()
    return model.to(default_device())  # type: ignore[arg-type]  # as above


def _greedy(num_tokens: int) -> dict[str, Any]:
    """Arguments of transformers for exactly `num_tokens` greedy tokens."""
    limits = {"max_new_tokens": num_tokens, "min_new_tokens": num_tokens}
    return {"do_sample": False, "pad_token_id": 0, **limits}


def _ctranslate2(job: GenerationJob, dtype: str) -> GenerateFn:
    import ctranslate2  # type: ignore[import-not-found]  # optional
    from ctranslate2.converters import (  # type: ignore[import-not-found]  # optional
        TransformersConverter,
    )

    folder = Path(tempfile.mkdtemp()) / dtype
    converter = _with_numbered_tokens(TransformersConverter)(str(job.folder))
    converter.convert(str(folder), quantization=dtype)
    device, threads = ("cuda", 0) if torch.cuda.is_available() else ("cpu", torch.get_num_threads())
    generator = ctranslate2.Generator(
        str(folder), device=device, compute_type=dtype, intra_threads=threads
    )
    prompts = [[f"w{token}" for token in row] for row in job.random_prompts()]
    generate_batch = partial(generator.generate_batch, prompts, include_prompt_in_result=False)
    return lambda num_tokens: generate_batch(max_length=num_tokens, min_length=num_tokens)


def _with_numbered_tokens(converter: type) -> type:
    """A converter that names tokens by number, so that it accepts a model with any tokenizer."""
    from transformers import GPT2Config

    class NumberedTokens:
        unk_token = bos_token = eos_token = "w50256"

        def get_vocab(self) -> dict[str, int]:
            return {f"w{number}": number for number in range(GPT2Config().vocab_size)}

    class NumberedConverter(converter):
        def load_tokenizer(self, *args: object, **kwargs: object) -> NumberedTokens:
            return NumberedTokens()

    return NumberedConverter
