from benchmarks.gpu import kernel_profile
from tests.benchmarks.gpu.sections import make_section


def test_shown_kernels_are_a_part_of_the_step():
    section, rows = make_section()
    kernel_profile.run(section)
    step, *kernels = rows
    assert 0 < len(kernels) <= kernel_profile.MOST_ROWS
    assert sum(row["us"] for row in kernels) <= 1.001 * step["us"]
    assert [row["us"] for row in kernels] == sorted((row["us"] for row in kernels), reverse=True)
