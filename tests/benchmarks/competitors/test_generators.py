import pytest
import torch

from benchmarks.competitors import generators
from tests.benchmarks.generation_jobs import make_job


def test_re_encoding_generates_the_tokens_of_generate():
    job = make_job(num_rows=2, prompt=8, new=6)
    cached = generators.transformers_generate(job)(6)
    encoded = generators.re_encoding(job)(6)
    assert cached.shape == (2, 14)
    assert torch.equal(cached, encoded)


def test_continuous_batching_generates_the_tokens_of_generate():
    job = make_job(num_rows=2, prompt=8, new=6)
    cached = generators.transformers_generate(job)(6)
    outputs = generators.continuous_batching(job)(6)
    generated = sorted(output.generated_tokens for output in outputs.values())
    assert generated == sorted(cached[:, 8:].tolist())


@pytest.mark.parametrize("make", [generators.ctranslate2_float32, generators.ctranslate2_int8])
def test_ctranslate2_generates_the_number_of_tokens(make):
    pytest.importorskip("ctranslate2")
    results = make(make_job(num_rows=2, prompt=8, new=6))(6)
    assert [len(result.sequences[0]) for result in results] == [6, 6]
