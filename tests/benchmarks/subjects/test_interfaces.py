from benchmarks.subjects import interfaces


def test_every_interface_is_measured_and_compared_with_the_default():
    rows = interfaces.run("embedded", [2], ["float32"], 1)["rows"]
    assert [row["what"] for row in rows] == list(interfaces.INTERFACES)
    assert all(row["steps_per_s"] > 0 for row in rows)
    speedups = {row["what"]: row["times_the_default"] for row in rows}
    assert speedups[interfaces.DEFAULT] == 1.0
