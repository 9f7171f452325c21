import pytest

from agents.config.keyword_arguments import read_arguments
from agents.config.loading import UserError


def test_values_are_yaml():
    found = read_arguments(["k=4", "kind=a=b", "rewards={fluency: 1.0}", "none="], "k=4")
    assert found == {"k": 4, "kind": "a=b", "rewards": {"fluency": 1.0}, "none": None}


@pytest.mark.parametrize(
    "wrong", ["k", "=4", "k=[1", "k={a: 1, a: 2}", "k=!!python/name:os.system"]
)
def test_what_is_no_name_and_value_is_refused_in_one_line(wrong):
    """Regression: malformed YAML after `agents.play --set` ended in a traceback."""
    with pytest.raises(UserError, match="allowed: name=value, such as k=4"):
        read_arguments(["seed=1", wrong], "k=4")
