from benchmarks.harness.models import SHAPES
from benchmarks.subjects import defaults


def test_default_model_is_generated_and_needs_no_download():
    assert defaults.MODEL in SHAPES


def test_default_dtypes_are_the_floating_point_ones():
    assert defaults.DTYPES == ("float32", "bfloat16")
