import pytest

from agents.config.loading import UserError
from benchmarks.claims.settings import ClaimConfig, claim_configs
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


def test_one_seed_is_no_claim():
    with pytest.raises(ValueError, match="seeds"):
        ClaimConfig.model_validate({**CLAIM, "seeds": [0]})
