"""The loop over runners: its schedule is that of `agents.train`, its target stops it."""

import json
from functools import partial

import pytest

from agents.config.loading import UserError
from tests.agents.train_rllib.rllib_run import REASON, SMALL

pytest.importorskip("ray.rllib", reason=REASON)

from agents.train import train_and_compare
from agents.train_rllib.callback import RunnersCallback

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def train(config, runs, **options):
    kind = partial(RunnersCallback, runners=2)
    return train_and_compare(config, runs, make_callback=kind, **options)[0]


def rows(runs):
    return [json.loads(line) for line in (runs / "runners-s0" / "metrics.jsonl").open()]


def test_a_run_evaluates_saves_stops_and_goes_on(tmp_path):
    config = SMALL.model_copy(update={"total_timesteps": 128})
    first = train(config, tmp_path)
    assert first["steps"] >= 128
    steps = [row["step"] for row in rows(tmp_path)]
    assert steps[0] == 0
    assert steps[-1] == first["steps"]
    assert rows(tmp_path)[-1]["training_reward"] is not None
    for name in ("checkpoint.pt", "best.pt", "reward.png", "samples.md", "result.json"):
        assert (tmp_path / "runners-s0" / name).is_file()
    with pytest.raises(UserError, match=r"a run at .* already"):
        train(config, tmp_path)
    later = train(SMALL, tmp_path, resume=True)
    assert later["steps"] >= 256
    assert [row["step"] for row in rows(tmp_path)][: len(steps)] == steps
