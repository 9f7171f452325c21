"""`agents.train_rllib`: options that are refused, and a run that `agents.evaluate` takes."""

import json
from functools import partial

import pytest
import yaml

from agents.evaluate import main as evaluate
from agents.train import train, train_and_compare
from agents.train_rllib.__main__ import main
from agents.train_rllib.callback import RunnersCallback
from tests.agents.finished_run import CONFIG
from tests.agents.train_rllib.rllib_run import REASON, SMALL


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(SMALL.model_dump(mode="json")))
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runners": 0}, "Got --runners 0"),
        ({"runners": 2, "address": "nowhere"}, "Got --address 'nowhere'; allowed: host:port"),
        ({"runners": 2, "address": "127.0.0.1:1"}, "where no cluster answers"),
        ({"runners": 2, "assignments": ["algorithm={name: A2C}"]}, "algorithm.name='A2C'"),
    ],
)
def test_a_wrong_option_is_one_line_and_leaves_no_folder(options, message, file, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(file, runs=tmp_path / "runs", **options)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_complete_run_is_resumed_without_ray_and_not_evaluated_again(tmp_path):
    config = SMALL.model_copy(update={"total_timesteps": 64})
    train(config, tmp_path)
    log = tmp_path / "runners-s0" / "metrics.jsonl"
    before = log.read_text()
    kind = partial(RunnersCallback, runners=2)
    result, rollouts = train_and_compare(config, tmp_path, resume=True, make_callback=kind)
    assert result["steps"] == 64
    assert len(rollouts["agent"][0]) == config.evaluation.episodes
    assert log.read_text() == before


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_of_two_runners_is_evaluated_as_any_other(file, tmp_path, capsys):
    pytest.importorskip("ray.rllib", reason=REASON)
    main(file, runners=2, runs=tmp_path, as_json=True)
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["runners"] == 2
    assert result["steps"] >= SMALL.total_timesteps
    evaluate([tmp_path / "runners-s0"], split="validation", episodes=6, as_json=True)
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    agent = document["policies"]["agent"]["reward"]["mean"]
    assert agent == pytest.approx(result["held_out_reward"], abs=1e-6)
    assert CONFIG.evaluation.episodes == 6
