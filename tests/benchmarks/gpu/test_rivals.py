import pytest
import torch

from benchmarks.gpu import rivals
from tests.benchmarks.gpu.sections import make_section


def test_generate_is_measured_with_the_engines_prompts():
    section, rows = make_section()
    rivals.run(section)
    by_name = {row["what"]: row for row in rows}
    row = by_name[rivals.GENERATE]
    assert row["tokens_per_s"] == pytest.approx(2 * 3 / row["median"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="compiles on CUDA")
def test_static_cache_is_left_to_cuda():
    section, rows = make_section()
    rivals.static_cache(section)
    assert rows[0]["note"] == "compiled on CUDA only"
