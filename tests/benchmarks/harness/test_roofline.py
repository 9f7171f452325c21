import math

import pytest
from safetensors import safe_open

from benchmarks.competitors import ours
from benchmarks.harness import roofline
from lm_envs.model import loading
from tests.benchmarks.generation_jobs import DTYPES, make_job


@pytest.mark.parametrize("dtype", DTYPES)
def test_keys_and_values_count_in_the_dtype_of_the_cache(dtype):
    """Regression: a KV cache of another dtype than the linear layers' was counted in theirs."""
    job = make_job(dtype=dtype)
    engine, context = ours.make_engine(job), 64.0
    few, many = (roofline.step_cost(job.folder, rows, context, dtype).bytes for rows in (1, 65))
    assert many - few == 64 * context * engine.num_bytes / engine.capacity


def test_matrix_weights_are_those_of_the_checkpoint():
    folder = loading.locate("embedded")
    (path,) = folder.glob("*.safetensors")
    with safe_open(path, "numpy") as arrays:
        shapes = {name: arrays.get_slice(name).get_shape() for name in arrays.keys()}  # noqa: SIM118 - no mapping
    expected = sum(
        math.prod(shape)
        for name, shape in shapes.items()
        if len(shape) == 2 and "wpe" not in name  # positions are looked up, not multiplied
    )
    assert roofline.num_matrix_weights(loading.read_model_config(folder)) == expected


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
