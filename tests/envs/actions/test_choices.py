"""Actions that write one of the lines that the task offers."""

import numpy as np
import pytest

from tests.envs.helpers import make, make_small


def make_choices(env_id, num_envs=2, *, scores=True, **options):
    actions = {"kind": "choices", "scores": scores}
    return make(num_envs, env_id=f"lm_envs/{env_id}-v0", actions=actions, **options)


def test_scores_are_mean_log_probabilities_of_the_lines():
    env = make_choices("Paraphrase")
    env.reset(seed=0)
    for row, example in enumerate(env.episodes.examples):
        for place, option in enumerate(env.task.options(example, [])):
            line = env.tokenizer.encode(f" {option.text}")
            text = np.concatenate([example.prompt, line])
            expected = env.engine.score([text])[0][len(example.prompt) :].mean()
            assert env.actions.scores[row, place] == pytest.approx(expected, abs=2e-4)


def test_observations_show_the_scores_unless_they_are_turned_off():
    shown, hidden = make_choices("Translation"), make_choices("Translation", scores=False)
    observations = shown.reset(seed=0)[0][:, shown.observation.columns["choice_logprobs"]]
    np.testing.assert_allclose(observations, shown.actions.scores, atol=1e-6)
    assert "choice_logprobs" not in hidden.observation.columns
    assert "choice_enabled" in hidden.observation.columns


def test_the_action_of_rank_0_is_the_enabled_line_with_the_highest_score():
    env = make_choices("KnowledgeGraphQA", 4)
    env.reset(seed=0)
    best = np.where(env.action_masks(), env.actions.scores, -np.inf).argmax(1)
    assert env.actions_for_ranks(np.zeros(4, np.int64)).tolist() == best.tolist()
    logprobs = env.candidate_logprobs
    assert (logprobs[:, :-1] >= logprobs[:, 1:]).all()
    assert (np.isinf(logprobs).sum(1) == (~env.action_masks()).sum(1)).all()


def test_the_oracle_chooses_the_right_line():
    env = make_choices("Classification")
    env.reset(options={"index": [0, 3]})
    *_, infos = env.step(env.oracle_actions())
    assert infos["scores"]["accuracy"].tolist() == [1.0, 1.0]


def test_a_task_without_lines_is_refused(checkpoint):
    with pytest.raises(ValueError, match="'next_word' offers no lines to choose from"):
        make_small(checkpoint, actions="choices")


def test_scores_has_to_be_true_or_false():
    with pytest.raises(ValueError, match=r"scores=1\.5; allowed: True, False"):
        make_choices("Dialogue", scores=1.5)


def test_a_model_that_reads_nothing_changes_neither_texts_nor_rewards():
    """Only the log-probabilities are missing; ranks by the model stay."""
    arguments = {"env_id": "lm_envs/Dialogue-v0", "observation": "words"}
    arguments |= {"num_envs": 3, "autoreset_mode": "same_step"}
    lines = {"kind": "choices", "scores": False}
    reading = make(actions=lines, **arguments)
    silent = make(actions={**lines, "reads": False}, **arguments)
    seen, same = reading.reset(seed=0)[0], silent.reset(seed=0)[0]
    for _ in range(4):
        np.testing.assert_array_equal(seen, same)
        ranks = np.zeros(3, np.int64)
        actions = reading.actions_for_ranks(ranks)
        np.testing.assert_array_equal(actions, silent.actions_for_ranks(ranks))
        seen, rewards, *_, infos = reading.step(actions)
        same, others, *_, found = silent.step(actions)
        np.testing.assert_array_equal(rewards, others)
        assert infos["text"].tolist() == found["text"].tolist()
        assert (infos["logprob"] < 0.0).all()
        assert not found["logprob"].any()


def test_what_needs_the_model_is_refused_if_it_reads_nothing():
    lines = {"kind": "choices", "scores": False, "reads": False}
    with pytest.raises(ValueError, match="Got reads=False with scores=True"):
        make(1, env_id="lm_envs/Dialogue-v0", actions={"kind": "choices", "reads": False})
    with pytest.raises(ValueError, match="Got observation 'hidden' for actions with reads=False"):
        make(1, env_id="lm_envs/Dialogue-v0", actions=lines, observation="hidden")
    rewards = {"fluency": 1.0, "cross_entropy": 0.0, "completed": 1.0}
    with pytest.raises(ValueError, match="reads=False and rewards cross_entropy, fluency"):
        make(1, env_id="lm_envs/Dialogue-v0", actions=lines, observation="words", rewards=rewards)
