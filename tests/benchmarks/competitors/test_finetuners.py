import pytest

from benchmarks.competitors import finetuners
from benchmarks.competitors.finetune_job import (
    NEW,
    SAMPLED_TOKENS,
    FinetuneJob,
    environment_prompts,
)
from lm_envs.model import loading


@pytest.fixture
def job():
    folder = loading.locate("embedded")
    return FinetuneJob(folder, environment_prompts(folder, 2), "float32", repeats=2)


@pytest.mark.parametrize(
    ("finetune", "num_tokens"),
    [(finetuners.per_episode, 2 * NEW), (finetuners.per_token, 2 * SAMPLED_TOKENS)],
)
def test_each_timed_round_has_a_rollout_and_an_update(job, finetune, num_tokens):
    result = finetune(job)
    assert (result.num_generated, result.num_learned) == (num_tokens, num_tokens)
    assert len(result.rollout_s) == len(result.update_s) == job.repeats
    assert min(*result.rollout_s, *result.update_s) > 0


def test_lora_learns_from_as_many_tokens(job):
    pytest.importorskip("peft")
    assert finetuners.per_episode_lora(job).num_learned == 2 * NEW
