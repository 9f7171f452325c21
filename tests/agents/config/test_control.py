from pathlib import Path

import pytest

from agents.config.control import ControlConfig
from agents.config.loading import UserError, load_config

ROOT = Path(__file__).parents[3]
GOOD = "config: a.yaml\nseeds: [0, 1]\nweights: {sentiment: [-1.0, 0, 1.0]}\n"


def test_the_shipped_sweep_is_valid():
    sweep = load_config(ControlConfig, ROOT / "benchmarks" / "sweeps" / "control.yaml")
    assert len(sweep.seeds) > 1
    assert (ROOT / sweep.config).is_file()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[-1.0, 0, 1.0]", "[1.0]", "weights.sentiment"),
        ("[-1.0, 0, 1.0]", "[1.0, 1.0]", "a number twice"),
        ("[-1.0, 0, 1.0]", "[1.0, .nan]", "weights.sentiment"),
        ("[-1.0, 0, 1.0]", "much", "weights.sentiment"),
        ("{sentiment: [-1.0, 0, 1.0]}", "{}", "weights"),
        ("[0, 1]", "[]", "seeds"),
        ("[0, 1]", "[1, 1]", "a number twice"),
        ("[0, 1]", "[-1]", "seeds"),
        ("seeds", "seed", "seed"),
        ("config: a.yaml", "config: a.yaml\nset: [seed=3]", "by the key `seeds`"),
    ],
)
def test_a_malformed_sweep_is_refused_by_key(tmp_path, old, new, message):
    path = tmp_path / "sweep.yaml"
    path.write_text(GOOD)
    load_config(ControlConfig, path)
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(UserError, match="Got") as error:
        load_config(ControlConfig, path)
    assert message in str(error.value)
