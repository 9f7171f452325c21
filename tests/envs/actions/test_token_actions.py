"""What all action kinds that write one token a step share."""

import shutil

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from lm_envs.envs.actions.token_actions import broken_model_error
from lm_envs.model.state.cuda_graph import LaunchedFunction
from tests.envs.helpers import make, make_small


@pytest.mark.parametrize("actions", ["top_k", "vocabulary", "embedding"])
def test_the_action_of_a_rank_writes_that_candidate(checkpoint, actions):
    env = make_small(checkpoint, actions=actions)
    env.reset(seed=0)
    for step in range(3):
        ranks = (np.arange(3) + step) % 16
        expected = env.outputs.candidates[np.arange(3), ranks]
        env.step(env.actions_for_ranks(ranks))
        written = [t.tokens[-1] for t in env.transcripts]
        assert written == expected.tolist()


def test_oracle_actions_write_the_reference_and_then_the_end_token():
    env = make(1, env_id="lm_envs/QuestionAnswering-v0", actions="vocabulary")
    env.reset(options={"index": 0})
    reference = env.episodes.references[0, : env.episodes.reference_counts[0]]
    terminated = np.zeros(1, bool)
    while not terminated.any():
        candidates = env.outputs.candidates[0]
        [action] = env.oracle_actions()
        count = len(env.transcripts[0].tokens)
        wanted = reference[count] if count < len(reference) else env.tokenizer.end_token
        assert action == (wanted if wanted in candidates else candidates[0])
        terminated = env.step(np.array([action]))[2]


def test_reported_logprobs_are_those_of_the_model(checkpoint):
    env = make_small(checkpoint)
    env.reset(seed=0)
    expected = env.outputs.logprobs[:, 2]
    *_, infos = env.step(np.full(3, 2))
    np.testing.assert_allclose(infos["logprob"], expected, rtol=0, atol=1e-4)


def test_texts_grow_while_the_model_computes(checkpoint, monkeypatch):
    """A GPU's results are waited for after what needs the written tokens alone."""
    env, waits = make_small(checkpoint), []
    env.reset(seed=0)
    start = LaunchedFunction.start

    def start_and_note(function, *arguments):
        wait = start(function, *arguments)
        return lambda: waits.append(env.episodes.texts.copy()) or wait()

    monkeypatch.setattr(LaunchedFunction, "start", start_and_note)
    expected = env.tokenizer.decode(env.outputs.candidates[:1, 2])
    logprobs = env.outputs.logprobs[:, 2]
    env.actions.write(np.arange(3), np.full(3, 2))
    assert waits == []
    assert env.episodes.texts[0] == expected
    env.actions.collect()
    assert waits == [env.episodes.texts]
    np.testing.assert_allclose(env.episodes.logprobs[:, 0], logprobs, rtol=0, atol=1e-4)
    env.actions.collect()
    assert len(waits) == 1


def test_a_token_that_ends_a_turn_keeps_its_log_probability():
    """What is read after the turn replaces the row's outputs."""
    env = make(2, env_id="lm_envs/Dialogue-v0", actions="vocabulary")
    env.reset(options={"index": [0, 1]})
    has_reply = np.zeros(2, bool)
    while not has_reply.any():
        actions = env.oracle_actions()
        expected = env.engine.logprobs_of(actions[:, None])[:, 0]
        *_, infos = env.step(actions)
        has_reply = infos["reply"] != ""
        np.testing.assert_allclose(infos["logprob"], expected, rtol=0, atol=1e-4)


def test_the_error_of_a_broken_model_names_the_row():
    for value in (np.nan, np.inf, -np.inf):
        logprobs = np.zeros((2, 3))
        logprobs[1, 2] = value
        error = broken_model_error(logprobs)
        assert isinstance(error, FloatingPointError)
        assert "log-probabilities in row 1; the model's" in str(error)


def test_a_model_that_overflows_stops_the_step(checkpoint, tmp_path):
    """Regression: greedy decoding on NaN log-probabilities silently wrote token 0."""
    folder = shutil.copytree(checkpoint, tmp_path / "broken")
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if name.endswith("wte.weight"))
    largest = tensors[name].abs().max()
    tensors[name] = tensors[name] / largest * 3e38  # finite, but sums of products are not
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    env = make_small(folder)
    env.reset(seed=0)
    with pytest.raises(FloatingPointError, match="log-probabilities in row 0"):
        env.step(np.zeros(3, int))


def permuted(state, rows):
    if isinstance(state, dict):
        return {name: permuted(values, rows) for name, values in state.items()}
    return state[rows] if isinstance(state, np.ndarray) else [state[row] for row in rows]


@pytest.mark.parametrize("options", [{}, {"actions": {"kind": "top_k", "k": 4, "copies": 4}}])
def test_rows_that_hold_a_restored_text_are_copied_and_not_decoded_again(checkpoint, options):
    env, fresh = (make_small(checkpoint, **options) for _ in range(2))
    env.reset(seed=0)
    for ranks in ([0, 1, 2], [3, 0, 1]):
        env.step(np.array(ranks))
    state = permuted(env.get_state(), [2, 0, 0])
    before = env.engine.num_forward_tokens, fresh.engine.num_forward_tokens
    seen, expected = env.set_state(state), fresh.set_state(state)
    assert env.engine.num_forward_tokens == before[0]
    assert fresh.engine.num_forward_tokens > before[1]
    np.testing.assert_array_equal(seen, expected)
    for actions in (np.array([1, 0, 2]), np.array([0, 3, 1])):
        np.testing.assert_array_equal(env.step(actions)[0], fresh.step(actions)[0])


def test_only_texts_that_no_row_holds_are_decoded(checkpoint):
    env = make_small(checkpoint)
    env.reset(seed=0)
    env.step(np.zeros(3, np.int64))
    state = env.get_state()
    env.step(np.array([0, 1, 2]))
    seen = env.step(np.zeros(3, np.int64))[0]
    mixed = env.get_state()
    first = permuted(state, [0, 1, 2])
    env.set_state(first)  # no row holds these: all are decoded
    env.step(np.array([0, 1, 2]))
    np.testing.assert_array_equal(env.step(np.zeros(3, np.int64))[0], seen)
    np.testing.assert_array_equal(env.set_state(mixed), seen)


def test_a_row_of_the_cache_that_is_ahead_of_its_episode_is_not_copied(checkpoint):
    """As an error between the model and the episodes would leave it."""
    env = make_small(checkpoint)
    env.reset(seed=0)
    seen = env.step(np.array([0, 1, 2]))[0]
    state = env.get_state()
    env.engine.decode(env.outputs.candidates[:, 0])
    np.testing.assert_array_equal(env.set_state(state), seen)
    expected = env.step(np.array([2, 0, 1]))[0]
    np.testing.assert_array_equal(env.set_state(state), seen)
    np.testing.assert_array_equal(env.step(np.array([2, 0, 1]))[0], expected)
