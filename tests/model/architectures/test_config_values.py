import pytest

from lm_envs.model.architectures.config_values import (
    check_counts,
    check_fixed,
    get_activation,
    get_epsilon,
)

FILE = "config.json"


def test_absent_keys_have_their_defaults():
    check_fixed({}, {"tp": 1}, FILE)
    assert get_activation({}, "act", "silu", FILE) == "silu"
    assert get_epsilon({}, "eps", 1e-6, FILE) == 1e-6


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: check_fixed({"tp": 2}, {"tp": 1}, FILE), "tp=2 in config.json; only tp=1"),
        (lambda: check_counts({"n": 0}, ("n",), FILE), "config.json: n=0; allowed: a whole"),
        (lambda: check_counts({}, ("n",), FILE), "config.json: n=None; allowed: a whole"),
        (lambda: get_activation({"act": "mish"}, "act", "silu", FILE), "act='mish' in .*'gelu', "),
        (lambda: get_activation({"act": []}, "act", "silu", FILE), r"act=\[\] in config"),
        (lambda: get_epsilon({"eps": 0.0}, "eps", 1e-6, FILE), "eps=0.0 in .*; allowed: over 0"),
        (lambda: get_epsilon({"eps": None}, "eps", 1e-6, FILE), "eps=None; allowed: a finite"),
    ],
)
def test_a_value_that_is_not_supported_is_refused_with_the_file_and_the_key(check, message):
    with pytest.raises(ValueError, match=message):
        check()
