import pytest

from benchmarks.subjects import calls
from benchmarks.subjects.tasks import language_ids


def test_counts_of_the_modules_add_up_to_the_total():
    total, *modules = calls.run()["rows"]
    assert (total["what"], total["module"]) == ("lm_envs/NextWord-v0", "all")
    for key in ("calls", "functions", "files"):
        assert sum(row[key] for row in modules) == total[key] > 0
    assert any(row["module"] == "lm_envs.model.engine" for row in modules)


def test_count_is_reproducible():
    first, second = (calls.step_calls("lm_envs/NextWord-v0") for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", language_ids())
def test_every_language_environment_is_counted(name):
    """Also where the warm-up ends episodes."""
    assert calls.run(ids=[name])["rows"][0]["calls"] > 0


def test_environment_that_generates_nothing_is_refused():
    with pytest.raises(ValueError, match="Got env='lm_envs/WeightTuning-v0'; allowed: 'lm_envs/N"):
        calls.run(ids=["lm_envs/WeightTuning-v0"])
