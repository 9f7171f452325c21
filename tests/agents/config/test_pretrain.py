import pytest

from agents.config.pretrain import PretrainConfig
from tests.agents.pretrain_run import VALUES


def test_defaults_complete_a_configuration():
    assert PretrainConfig.model_validate(VALUES).context == 256


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        ({"prose": 1.0, "poems": 1.0}, "part of the corpus='poems'; allowed: 'prose'"),
        ({"prose": -1.0}, "weight -1.0 of 'prose'"),
        ({"prose": 0.0}, "no weight above 0"),
    ],
)
def test_weights_of_unknown_parts_or_below_zero_are_refused(mix, message):
    with pytest.raises(ValueError, match=message):
        PretrainConfig.model_validate(VALUES | {"mix": mix})
