import pytest

from agents.config.loading import UserError
from benchmarks.claims.settings import ClaimConfig, claim_configs, fine_tuning
from tests.benchmarks.finished_runs import SMOKE

CLAIM = {"config": str(SMOKE), "environment": "next words", "agent": "PPO", "seeds": [0, 3]}


def test_each_seed_of_a_claim_is_a_run():
    configs = claim_configs(ClaimConfig.model_validate({**CLAIM, "label": "x"}))
    assert [config.folder_name for config in configs] == ["smoke-x-s0", "smoke-x-s3"]


@pytest.mark.parametrize("key", ["env.split", "evaluation.split"])
def test_a_claim_that_learns_or_chooses_on_the_evaluated_split_is_refused(key):
    claim = ClaimConfig.model_validate({**CLAIM, "set": [f"{key}=test[:50%]"]})
    with pytest.raises(UserError, match=rf"Got {key}='test\[:50%\]' .* read once"):
        claim_configs(claim)


def test_the_fine_tuned_model_of_a_claim_must_not_know_the_evaluated_split():
    file = "configs/next_word_lm_ppo.yaml"
    claim = ClaimConfig.model_validate({**CLAIM, "fine_tuned": file})
    found = fine_tuning(claim)
    assert (found.name, found.seed) == ("next_word_lm_ppo", 0)
    assert fine_tuning(ClaimConfig.model_validate(CLAIM)) is None
    split = found.env.split
    with pytest.raises(UserError, match=rf"Got env.split='{split}' in {file} for a claim"):
        fine_tuning(claim.model_copy(update={"split": split}))


def test_one_seed_is_no_claim():
    with pytest.raises(ValueError, match="seeds"):
        ClaimConfig.model_validate({**CLAIM, "seeds": [0]})
