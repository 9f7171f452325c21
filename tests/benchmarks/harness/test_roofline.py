import math

import pytest
import torch
from safetensors import safe_open
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.competitors import ours
from benchmarks.harness import roofline
from lm_envs.model import loading
from tests.benchmarks.generation_jobs import DTYPES, make_job
from tests.model.architectures.checkpoints import make_reference


@pytest.mark.parametrize("dtype", DTYPES)
def test_keys_and_values_count_in_the_dtype_of_the_cache(dtype):
    """Regression: a KV cache of another dtype than the linear layers' was counted in theirs."""
    job = make_job(dtype=dtype)
    engine, context = ours.make_engine(job), 64.0
    few, many = (roofline.step_cost(job.folder, rows, context, dtype).bytes for rows in (1, 65))
    assert many - few == 64 * context * engine.num_bytes / engine.capacity


def num_stored(folder, looked_up):
    """Weights of all matrices in a checkpoint but one, which is looked up and not multiplied."""
    (path,) = folder.glob("*.safetensors")
    with safe_open(path, "numpy") as arrays:
        shapes = {name: arrays.get_slice(name).get_shape() for name in arrays.keys()}  # noqa: SIM118 - no mapping
    matrices = (shape for name, shape in shapes.items() if name != looked_up)
    return sum(math.prod(shape) for shape in matrices if len(shape) == 2)


def test_matrix_weights_are_those_of_the_checkpoint():
    folder = loading.locate("embedded")
    config = loading.read_model_config(folder)
    assert roofline.num_matrix_weights(config) == num_stored(folder, "transformer.wpe.weight")


@pytest.fixture(scope="module", params=["qwen2", "llama, one key head", "qwen3"])
def llama_like(request, tmp_path_factory):
    """Grouped heads and a gate: an own output matrix, wide heads, and tied embeddings."""
    reference, folder = make_reference(request.param), tmp_path_factory.mktemp("model")
    reference.save_pretrained(folder)
    return reference, folder


def test_matrix_weights_of_grouped_heads_and_a_gate_are_those_of_the_checkpoint(llama_like):
    reference, folder = llama_like
    is_tied = reference.config.tie_word_embeddings
    expected = num_stored(folder, None if is_tied else "model.embed_tokens.weight")
    assert roofline.num_matrix_weights(loading.read_model_config(folder)) == expected


def test_products_of_a_step_are_those_that_transformers_computes(llama_like):
    """Counted by PyTorch, where attention repeats keys and values, which adds no product."""
    reference, folder = llama_like
    context, rows = 40, 3
    reference.set_attn_implementation("eager")
    inputs = torch.ones(rows, context, dtype=torch.int64)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        cache = reference(inputs[:, :-1]).past_key_values
        before = counter.get_total_flops()
        reference(inputs[:, -1:], past_key_values=cache)
    counted = counter.get_total_flops() - before
    found = roofline.step_cost(folder, rows, context, "float32").flops
    assert counted == pytest.approx(found, rel=0.001)  # angles of the positions are a product too


def test_keys_and_values_of_grouped_heads_are_those_of_the_cache(llama_like):
    reference, folder = llama_like
    caches = reference(torch.ones(1, 30, dtype=torch.int64)).past_key_values
    stored = sum(layer.keys.nbytes + layer.values.nbytes for layer in caches.layers)
    few, many = (roofline.step_cost(folder, rows, 30, "float32").bytes for rows in (1, 2))
    assert many - few == stored


def test_embeddings_beside_an_output_matrix_take_memory(tmp_path):
    sizes = []
    for variant in ("llama, tied", "llama"):
        make_reference(variant).save_pretrained(tmp_path)
        sizes.append(roofline.model_bytes(tmp_path, "float32"))
    assert sizes[1] - sizes[0] == 2 * 4 * 700 * 64  # as loaded and in use, bytes, V, D


def test_a_row_takes_its_keys_values_and_logits():
    folder = loading.locate("embedded")
    short, long = (roofline.row_bytes(folder, tokens, "float32") for tokens in (10, 110))
    assert long - short == 100 * 2 * 4 * 256 * 4  # tokens, keys and values, layers, width, bytes


def test_decoding_limit_is_the_slower_of_memory_and_arithmetic():
    job = make_job(num_rows=4)
    limit = roofline.decoding_limit(job)
    rates = {"memory": limit.bytes_per_s / limit.cost.bytes}
    rates["arithmetic"] = limit.flops_per_s / limit.cost.flops
    assert limit.tokens_per_s == pytest.approx(4 * min(rates.values()))
    assert limit.bound == min(rates, key=rates.__getitem__)
