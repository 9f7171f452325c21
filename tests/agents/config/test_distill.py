from pathlib import Path

import pytest

from agents.config.distill import ImitationConfig, LoopConfig
from agents.config.loading import UserError, load_config, read_assignments

CONFIG = Path(__file__).parents[3] / "configs" / "question_answering_loop.yaml"


def test_a_loop_is_one_file():
    config = load_config(LoopConfig, CONFIG, ["agent.seed=3", "imitation.steps=7"])
    assert (config.agent.seed, config.imitation.steps, config.rounds) == (3, 7, 2)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("method=both", "Got method='both' in --set; .*'choices' or 'texts'"),
        ("steps=0", "Got steps=0 in --set"),
        ("step=3", "Got unknown key 'step' in --set; allowed: method, .* Did you mean 'steps'"),
    ],
)
def test_invalid_values_are_refused_by_key(assignment, message):
    assert read_assignments(ImitationConfig, []).method == "choices"
    with pytest.raises(UserError, match=message):
        read_assignments(ImitationConfig, [assignment])
