"""Jobs of the `throughput` benchmark on the embedded model, and the mark of int8 tests."""

import pytest
import torch

from benchmarks.harness.processes import GenerationJob
from lm_envs.model import loading

needs_int8 = pytest.mark.skipif(
    not torch.cpu._is_vnni_supported(), reason="int8 needs a CPU with VNNI instructions"
)
DTYPES = ["float32", "bfloat16", pytest.param("int8", marks=needs_int8)]


def make_job(**changes):
    options = {"num_rows": 1, "prompt": 32, "new": 64, "dtype": "float32"} | changes
    return GenerationJob(loading.locate("embedded"), **options)
