import pytest

from benchmarks.competitors import ours
from tests.benchmarks.generation_jobs import make_job


@pytest.mark.parametrize("new", [40, 64, 200])
def test_kv_cache_takes_at_most_a_fifth_more_than_its_tokens(new):
    job = make_job(new=new)
    shape = 2 * 4 * 256 * (job.prompt + new) * 4  # keys and values, layers, width, tokens, bytes
    assert shape <= ours.make_engine(job).num_bytes <= 1.2 * shape


@pytest.mark.parametrize(
    "make", [ours.environment, ours.environment_int8_cache, ours.single_environments]
)
def test_prompts_of_the_job_fit_the_environment(make, monkeypatch, tmp_path):
    """A prompt needs a passage of at least twice its length."""
    monkeypatch.chdir(tmp_path)
    make(make_job(num_rows=2, prompt=8, new=4))(4)
    assert (tmp_path / "runs" / "benchmark_models" / "passages-8.txt").is_file()
