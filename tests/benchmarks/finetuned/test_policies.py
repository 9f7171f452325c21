"""Completions of a split by every policy."""

import shutil

import numpy as np
import pytest

from agents.config.finetune import SPACES
from agents.evaluation.comparison import AGENT
from agents.finetune import finetune
from benchmarks.finetuned import policies
from benchmarks.finetuned.policies import Options, few_shot, run_all
from lm_envs.model import loading
from lm_envs.tokenizer import Tokenizer
from tests.agents.finetune_run import small_config


@pytest.fixture(scope="module")
def finished(checkpoint, tmp_path_factory):
    """A configuration, its run and all completions of four prompts."""
    config = small_config(checkpoint, stop_at_reward=-10.0, warm_start=None)
    folder = tmp_path_factory.mktemp("runs")
    finetune(config, folder)
    options = Options("validation", 4, is_greedy=False, best_of=(3,), same_answer=True)
    run = folder / config.folder_name
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(policies, "TEMPERATURES", (0.5, 1.0))
        return config, run, *run_all(config, {AGENT: [run], "other": [run]}, options)


def rewards(texts):
    return np.array([text.scores["reward"] for text in texts])


def test_all_policies_complete_the_same_prompts(finished):
    _, _, rollouts, _ = finished
    assert {AGENT, "agent, greedy", "other", "base, greedy", "most frequent answer"} <= set(
        rollouts
    )
    prompts = {tuple(t.prompt for t in texts) for seeds in rollouts.values() for texts in seeds}
    assert len(prompts) == 1


def test_an_untrained_run_writes_what_its_base_model_writes(finished):
    _, _, rollouts, _ = finished
    written = {
        name: [text.text for text in rollouts[name][0]]
        for name in ("agent, greedy", "base, greedy", AGENT, "base, sampled")
    }
    assert written["agent, greedy"] == written["base, greedy"]
    assert written[AGENT] == written["base, sampled"]


def test_the_best_of_samples_is_never_below_their_first(finished):
    _, _, rollouts, _ = finished
    best = rewards(rollouts["base, best of 3 by the reward"][0])
    assert best.mean() > rewards(rollouts["base, sampled"][0]).mean()


def test_the_most_frequent_answer_is_the_same_text_for_all_prompts(finished):
    _, _, rollouts, _ = finished
    assert len({text.text for text in rollouts["most frequent answer"][0]}) == 1


def test_each_temperature_has_a_reward_on_the_validation_split(finished):
    *_, by_temperature = finished
    assert by_temperature.keys() == {"0.5", "1.0"}
    assert by_temperature["0.5"] != by_temperature["1.0"]


TEMPLATE = "{{ messages[0].content }}{% if add_generation_prompt %} {% endif %}"


@pytest.mark.filterwarnings("ignore:Left out")
def test_solved_examples_stand_before_the_prompt(tmp_path):
    folder = shutil.copytree(loading.locate(loading.EMBEDDED), tmp_path / "chat")
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    config = small_config(folder)
    env = config.env.model_copy(update={"id": "lm_envs/QuestionAnswering-v0"})
    kwargs = {"model": str(folder), "max_new_tokens": 3, **SPACES}
    config = config.model_copy(update={"env": env.model_copy(update={"kwargs": kwargs})})
    (text,) = few_shot(config, "validation", np.array([0]), 2, seed=0)
    read = Tokenizer.from_folder(folder).decode(text.prompt_tokens)
    assert read.count("Question:") == read.count("Answer:") == 3
    assert "Answer: " in read.split("\n\n")[0]
    assert read.rstrip().endswith("Answer:")
