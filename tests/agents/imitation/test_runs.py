"""From the folder of an agent to the folder of a model."""

import gymnasium as gym
import pytest

from agents.evaluation.stages import read_stages
from agents.imitation.runs import distill_agent, greedy_reward
from tests.agents.imitation.small import FEW, finished_run


@pytest.fixture(scope="module")
def run(checkpoint, tmp_path_factory):
    """Folder and configuration of a finished run."""
    return finished_run(checkpoint, tmp_path_factory.mktemp("runs"))


def test_a_run_leaves_a_model_that_an_environment_loads(run, checkpoint, tmp_path):
    folder, config = run
    result = distill_agent(folder, config, FEW, tmp_path)
    stages = read_stages(tmp_path)
    assert [stage.stage for stage in stages] == ["base", "distilled"]
    assert len(stages[0].values["reward"]) == config.evaluation.episodes
    assert greedy_reward(result) == pytest.approx(result["stages"]["distilled"]["reward"]["mean"])
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == FEW.steps
    logprobs = []
    for model in (result["model"], str(checkpoint)):
        env = gym.make("lm_envs/NextWord-v0", model=model, max_new_tokens=2)
        env.reset(seed=0)
        logprobs.append(env.step(0)[-1]["logprob"])
    assert logprobs[0] != logprobs[1]


def test_another_model_can_judge(run, tmp_path):
    """The measures are those of the first model in all rounds of a loop."""
    folder, config = run
    settings = FEW.model_copy(update={"method": "texts"})
    first = distill_agent(folder, config, settings, tmp_path / "first")
    judged = distill_agent(folder, config, settings, tmp_path / "second", judge=first["model"])
    own, other = (greedy_reward(result, "base") for result in (first, judged))
    assert own != pytest.approx(other, abs=1e-6)
