from benchmarks.gpu import machine
from tests.benchmarks.gpu.sections import make_section


def test_rates_and_costs_of_launches_are_positive():
    section, rows = make_section()
    machine.run(section)
    by_name = {row["what"]: row for row in rows}
    assert by_name["copy on the device"]["gb_per_s"] > 0
    assert by_name["square products in a graph"]["tflop_per_s"] > 0
    assert min(by_name[name]["us"] for name in ("node of a graph", "eager launch")) > 0
    assert by_name["versions"]["torch"]
