from benchmarks.gpu.document import LONGEST_CELL, Results, format_row, format_value


def make_results():
    results = Results("python -m benchmarks gpu", is_small=False)
    results.machine = {"date": "2026-11-27", "gpu": "Card", "cpu": "CPU"}
    labels = {"model": "m", "n": 64, "dtype": "bfloat16"}
    results.add_row("engine", {"what": "engine", **labels, "tokens_per_s": 1000.0})
    results.add_row("environment", {"what": "best", **labels, "steps_per_s": 600.0})
    results.add_row("rivals", {"what": "generate", **labels, "tokens_per_s": 100.0})
    results.add_row("rivals", {"what": "generate", **labels, "n": 1, "tokens_per_s": 100.0})
    return results


def test_rows_are_compared_with_the_engine_of_the_same_setting():
    _, environment, rival, other = make_results().rows
    assert environment["share_of_engine"] == 0.6
    assert rival["engine_speedup"] == 10.0
    assert "engine_speedup" not in other


def test_page_has_a_table_for_each_section():
    results = make_results()
    results.end_section("engine", 1.5, "RuntimeError: no | luck\nat line 1")
    page = results.markdown()
    assert "# GPU run of 2026-11-27 on Card" in page
    assert "| engine | failed | 1.5 | RuntimeError: no / luck at line 1 |" in page
    assert "| environment |" not in page
    assert "## environment\n\n| what | model | n | dtype | steps_per_s | share_of_engine |" in page
    assert "| best | m | 64 | bfloat16 | 600 | 0.6 |" in page


def test_line_of_a_row_has_its_values_in_short():
    assert format_row({"section": "engine", "what": "a", "ms": 1.23456, "no": None}) == (
        "engine: a, ms=1.235"
    )
    assert len(format_value("x" * 1000)) == LONGEST_CELL + 1
