import pytest

from benchmarks.competitors import ours
from benchmarks.harness.processes import CompetitorProcess
from lm_envs.model import loading
from tests.benchmarks.generation_jobs import make_job


def fail(job):
    raise RuntimeError("no luck")


@pytest.mark.parametrize(
    "request_answer", [lambda each: each.generate(1), lambda each: each.peak_bytes()]
)
def test_competitor_that_fails_is_named(request_answer, capfd):
    competitor = CompetitorProcess("unlucky", fail, make_job())
    with pytest.raises(RuntimeError, match="Got no answer of 'unlucky'; its error is above"):
        request_answer(competitor)
    competitor.close()
    assert "no luck" in capfd.readouterr().err


def test_competitor_generates_and_reports_its_own_memory():
    competitor = CompetitorProcess("engine", ours.engine, make_job(new=2))
    competitor.generate(2)
    assert 2**26 < competitor.peak_bytes() < 2**33  # more than Python, less than the machine has
    competitor.close()


def test_random_prompts_are_equal_for_all_and_without_the_end_of_text():
    job = make_job(num_rows=64)
    prompts = job.random_prompts()
    assert prompts.shape == (64, 32)
    assert (prompts == job.random_prompts()).all()
    assert prompts.max() < loading.read_model_config(job.folder).vocab_size - 1
