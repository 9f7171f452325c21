"""The defaults of `lm_envs/NextWord-v0`."""

import gymnasium as gym

from tests.envs.helpers import make


def test_actions_are_16_ranks_and_observations_the_hidden_state_and_candidates():
    env = make(1)
    assert env.single_action_space == gym.spaces.Discrete(16)
    names = ["hidden", "candidate_logprobs", "candidate_repeats", "candidate_echoes", "budget_left"]
    assert list(env.observation.columns) == names
    assert env.single_observation_space.shape == (env.outputs.hidden.shape[1] + 3 * 16 + 1,)


def test_the_prompt_is_the_beginning_of_a_passage():
    env = make(1, prompt_tokens=9)
    env.reset(options={"index": 0})
    transcript = env.transcripts[0]
    assert len(transcript.prompt_tokens) == 9
    assert transcript.reference
    assert set(env.task.reward.weights) == {"fluency", "repetition", "overlap"}
