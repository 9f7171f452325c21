import numpy as np

from agents.evaluation.samples import (
    before_and_after,
    escape_markdown,
    evaluation_samples,
    stage_samples,
    training_samples,
)
from agents.evaluation.stages import Stage
from lm_envs.transcript import Transcript


def transcript(text, reward=0.0, prompt="p*"):
    nothing = np.zeros(0, np.int64)
    scores = {"reward": reward}
    return Transcript(prompt, text, "r", nothing, nothing, nothing, nothing, (), "budget", scores)


def test_markup_is_escaped_and_lines_are_joined():
    assert escape_markdown("a *b*\n\n# c | <d>") == "a \\*b\\* # c \\| \\<d\\>"


def test_training_samples_hold_every_policy_and_the_reference_beside_the_prompt():
    text = training_samples({"before": [transcript("x")], "after": [transcript("y", 1.0)]})
    prompt = "**p\\*** …\n\n- *reference*: r\n"
    assert text.endswith(f"{prompt}- before (+0.000): x\n- after (+1.000): y\n")


def test_a_blank_prompt_is_named_and_not_shown_as_four_asterisks():
    blank = transcript("x", prompt="\n")
    for text in (training_samples({"after": [blank]}), evaluation_samples({"agent": [[blank]]}, 1)):
        assert "*(blank prompt)*" in text
        assert "****" not in text


def test_before_is_the_untrained_model_and_only_the_first_seed_is_shown():
    first, second = [transcript("a"), transcript("b")], [transcript("c"), transcript("d")]
    rollouts = {"agent": [first, second], "random": [second], "greedy": [second, first]}
    (shown,) = before_and_after(rollouts, 1)
    assert shown == {"before (greedy)": second[0], "agent": first[0]}


def test_evaluation_samples_end_with_the_completions_of_highest_reward():
    agent = [transcript(name, reward) for name, reward in (("low", 0.1), ("high", 0.9))]
    text = evaluation_samples({"agent": [agent], "greedy": [agent]}, 1)
    assert text.count("- *reference*: r") == 1
    assert text.endswith("of highest reward\n\n- (+0.900) **p\\*** high\n")


def test_stage_samples_follow_one_prompt_through_the_stages():
    sample = {"prompt": "p", "reference": "r", "text": "t", "reward": 0.5}
    text = stage_samples([Stage("base", {}, [sample]), Stage("reinforced", {}, [sample])])
    assert "- *reference*: r\n- base (+0.500): t\n- reinforced (+0.500): t\n" in text
