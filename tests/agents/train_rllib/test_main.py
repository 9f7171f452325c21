"""`agents.train_rllib`: options that are refused, and a run that `agents.evaluate` takes."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml

from agents.config.loading import load_config
from agents.config.train import TrainConfig
from agents.evaluate import main as evaluate
from agents.evaluation.comparison import AGENT, prompt_rewards
from agents.evaluation.intervals import mean_interval
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


STEPS, ROWS, SEEDS = 12_288, 32, (0, 1, 2)


def trained_rewards(runs, seed, runners):
    """Held-out rewards (1, P) of the agent and of greedy decoding, after `STEPS` steps."""
    changes = [f"name=runners_{runners}", f"seed={seed}", f"env.n_envs={ROWS // runners}"]
    changes += [f"total_timesteps={STEPS}", f"checkpoint_every={STEPS}"]
    changes += [f"evaluation.every={STEPS}", "algorithm.kwargs.batch_size=128"]
    config = load_config(TrainConfig, Path("configs/next_word_ppo.yaml"), changes)
    several = {"kind": partial(RunnersCallback, runners=runners)} if runners > 1 else {}
    rewards = prompt_rewards(train_and_compare(config, runs, **several)[1])
    return rewards[AGENT], rewards["greedy"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_runners_earn_what_one_process_earns(tmp_path):
    """Rows, updates and steps are the same; episodes differ, as those of other seeds do."""
    pytest.importorskip("ray.rllib", reason=REASON)
    found = {
        runners: np.concatenate([trained_rewards(tmp_path, seed, runners) for seed in SEEDS], 1)
        for runners in (1, 2)
    }  # (2, S, P): of the agents, and of greedy decoding
    for agent, greedy in found.values():
        assert mean_interval(agent - greedy)[0] > 0.0
    low, high = mean_interval(found[2][0] - found[1][0])
    assert low <= 0.0 <= high
    gain = (found[1][0] - found[1][1]).mean()
    assert low > -gain  # runs of two processes that learned nothing would differ by -gain
