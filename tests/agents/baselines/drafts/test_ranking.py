"""A learned choice among texts: what it can learn, and what it must not see."""

from types import SimpleNamespace

import numpy as np
import pytest

from agents.baselines.drafts.memory import Offer
from agents.baselines.drafts.ranking import NAME, learn
from agents.baselines.searches import searches
from tests.agents.baselines.drafts.test_memory import family


def offers(count, rng, rewards_of):
    """Examples with 16 drafts and a memory's text, whose rewards `rewards_of` returns."""
    found = []
    for _ in range(count):
        likeness, logprobs = rng.random((17, 17)), -rng.random(17)
        rewards = rewards_of(likeness, logprobs)
        texts = [
            SimpleNamespace(
                text="some words", tokens=[0], logprobs=logprobs[i : i + 1], scores={"reward": r}
            )
            for i, r in enumerate(rewards)
        ]
        found.append(Offer("a prompt", texts, likeness, 0.5))
    return found


def chosen_reward(ranking, judged):
    places = ranking(judged).argmax(1)
    return np.mean([each.texts[i].scores["reward"] for each, i in zip(judged, places, strict=True)])


@pytest.mark.parametrize("pays", ["likely texts", "texts like the memory"])
def test_the_choice_learns_what_pays(pays):
    def rewards_of(likeness, logprobs):
        return logprobs if pays == "likely texts" else likeness[:, -1]

    rng = np.random.default_rng(0)
    learned, judged = offers(200, rng, rewards_of), offers(100, rng, rewards_of)
    rewards = np.array([[text.scores["reward"] for text in each.texts] for each in judged])
    best, mean = rewards.max(1).mean(), rewards.mean()
    assert chosen_reward(learn(learned, 100), judged) > mean + 0.9 * (best - mean)


def test_the_choice_does_not_see_the_rewards_of_the_texts_it_chooses_from():
    rng = np.random.default_rng(0)
    learned = offers(200, rng, lambda likeness, logprobs: logprobs)
    judged = offers(200, rng, lambda likeness, logprobs: rng.random(17))
    mean = np.mean([text.scores["reward"] for each in judged for text in each.texts])
    assert chosen_reward(learn(learned, 100), judged) == pytest.approx(mean, abs=0.06)


def test_it_learns_from_the_agents_examples_and_chooses_among_the_drafts(environments):
    made = environments(shots=1)
    offered = family(made, "most typical of 16 drafts and a memory")
    names = {each.name: each for each in searches(made, "validation")}
    (text, other) = names[NAME].run(made, "validation", np.arange(2), 30, 0)
    assert text.reference.strip() == "ouvre les portes"
    assert other.reference.strip() == "autre chose"
    assert offered.is_drawn
    assert names[NAME].is_drawn


def test_prompts_without_solved_examples_have_no_such_choice(environments):
    assert NAME not in {each.name for each in searches(environments(), "validation")}
