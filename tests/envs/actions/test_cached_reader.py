"""Contexts and lines are read once; cached results are those of reading."""

import shutil

import gymnasium as gym
import numpy as np
import pytest

import lm_envs  # noqa: F401 - registers the ids
from lm_envs.envs.actions.cached_reader import (
    CachedReader,
    ReadCache,
    common_prefix,
    shared_cache,
)
from lm_envs.model import loading
from lm_envs.model.engine import Engine

ROWS, STEPS = 6, 22
SCORED = {"kind": "choices", "scores": True}
DIALOGUE, GRAPH = "lm_envs/Dialogue-v0", "lm_envs/KnowledgeGraphQA-v0"
LANGUAGES = {"actions": "choices", "kind": "language", "split": "test"}
CASES = [
    (DIALOGUE, {"wishes": ["cancel", "hours"], "max_turns": 3, "actions": SCORED}, "same_step"),
    (DIALOGUE, {"wishes": ["status"], "max_new_tokens": 15}, "disabled"),
    (DIALOGUE, {"wishes": ["cancel"], "actions": SCORED, "cache_dtype": "int8"}, "same_step"),
    (GRAPH, {"actions": SCORED, "max_steps": 3, "split": "test"}, "next_step"),
    ("lm_envs/Classification-v0", LANGUAGES, "same_step"),
]


def own_model(folder):
    """Returns arguments for the embedded model in a folder of its own, which has its own cache."""
    shutil.copytree(loading.locate("embedded"), folder, dirs_exist_ok=True)
    return {"model": str(folder)}


def run(env_id, options, mode):
    """Returns all results of random actions, few of them different, and the tokens read."""
    env = gym.make_vec(env_id, num_envs=ROWS, autoreset_mode=mode, **options).unwrapped
    rng = np.random.default_rng(0)
    found: list = [env.reset(seed=3)]
    over = np.zeros(ROWS, bool)
    for step in range(STEPS):
        if mode == "disabled" and over.any():
            found.append(env.reset(options={"reset_mask": over}))
        if step % 20 == 19:
            found.append((env.set_state(env.get_state()), env.candidate_logprobs))
        found.append(env.step(rng.choice([0, 2], ROWS)))
        over = found[-1][2] | found[-1][3]
    return found, env.engine.num_forward_tokens


def assert_same(one, other):
    """Fails unless both are equal in every number and text."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_same(one[name], other[name])
    elif isinstance(one, tuple) or getattr(one, "dtype", None) == np.dtype(object):
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("env_id", "options", "mode"), CASES)
def test_cached_results_change_no_number(env_id, options, mode, tmp_path):
    options = own_model(tmp_path) | options
    uncached, num_uncached = run(env_id, options | {"prompt_cache": 0}, mode)
    cached, num_cached = run(env_id, options, mode)
    for one, other in zip(cached, uncached, strict=True):
        assert_same(one, other)
    assert num_cached < num_uncached


def test_environments_of_one_model_share_the_cache(tmp_path):
    options = own_model(tmp_path) | LANGUAGES
    counts = []
    for _ in range(2):
        env = gym.make("lm_envs/Classification-v0", **options).unwrapped
        for index in range(5):
            env.reset(options={"index": index})
        counts.append(env.batch.engine.num_forward_tokens)
    assert counts[0] > counts[1] == 0


def test_results_of_an_int8_kv_cache_are_kept_apart():
    options = {"actions": {"kind": "choices", "scores": True}, "split": "test"}
    shown = []
    for cache_dtype in ("int8", "auto", "int8"):
        env = gym.make("lm_envs/Classification-v0", cache_dtype=cache_dtype, **options)
        shown.append(env.reset(options={"index": 0})[0])
    assert np.array_equal(shown[0], shown[2])
    assert not np.array_equal(shown[0], shown[1])
    np.testing.assert_allclose(shown[0], shown[1], rtol=0, atol=0.2)


def make_reader(model, num_rows):
    engine = Engine(model, num_rows, capacity=100, num_candidates=4, end_token=0)
    return engine, CachedReader(engine, ReadCache(2**20))


def test_rows_with_the_same_context_read_it_once(model):
    text = np.arange(1, 30)
    engine, reader = make_reader(model, 3)
    reader.read(np.arange(3), [text, text, text])
    reader.read(np.arange(3), [text, text, text])
    assert engine.num_forward_tokens == 29
    assert (engine.outputs.hidden == engine.outputs.hidden[0]).all()


def test_only_what_a_slot_does_not_hold_is_read(model):
    rng = np.random.default_rng(0)
    start, line, other = (rng.integers(1, 700, size) for size in (30, 4, 5))
    engine, reader = make_reader(model, 2)
    whole = np.concatenate([start, line])
    reader.read(np.arange(2), [start, start[:20]])
    assert engine.num_forward_tokens == 50
    reader.extend(np.array([0]), [start], [line])
    assert engine.num_forward_tokens == 54
    reader.read(np.array([1]), [start])  # from the cache
    reader.extend(np.array([1]), [start], [line])  # from the cache
    assert engine.num_forward_tokens == 54
    scored = reader.extend(np.array([1]), [whole], [other])[0]
    assert engine.num_forward_tokens == 54 + 14 + 5  # the slot held the first 20 tokens
    fresh, new_reader = make_reader(model, 1)
    new_reader.read(np.arange(1), [whole])
    np.testing.assert_array_equal(scored, new_reader.extend(np.arange(1), [whole], [other])[0])
    np.testing.assert_array_equal(engine.outputs.hidden[1], fresh.outputs.hidden[0])


def test_lines_with_other_boundaries_have_scores_of_their_own(model):
    """Regression: scores of [a b] and [c] were taken for those of [a] and [b c]."""
    text = np.arange(1, 9)
    ways = ([np.array([5, 6]), np.array([7])], [np.array([5]), np.array([6, 7])])
    _, reader = make_reader(model, 1)
    reader.read(np.arange(1), [text])
    for lines in ways:
        _, fresh = make_reader(model, 1)
        fresh.read(np.arange(1), [text])
        expected = fresh.score(np.arange(1), [text], [lines])
        np.testing.assert_array_equal(reader.score(np.arange(1), [text], [lines]), expected)


@pytest.mark.parametrize(
    ("text", "held", "count"),
    [([1, 2, 3], [1, 2, 4], 2), ([1, 2, 3], [1, 2, 3], 2), ([1], [], 0), ([1, 2], [3, 2, 1], 0)],
)
def test_the_common_prefix_leaves_one_token_to_read(text, held, count):
    assert common_prefix(np.array(text), np.array(held, int)) == count


@pytest.mark.parametrize("max_bytes", [0, 20_000])
def test_results_take_no_more_memory_than_allowed(model, max_bytes):
    """Regression: 20,000 results of any size were kept, whatever `prompt_cache` allowed."""
    engine = Engine(model, 1, capacity=100, num_candidates=4, end_token=0)
    cache = ReadCache(max_bytes)
    reader, row = CachedReader(engine, cache), np.arange(1)
    for start in range(1, 40):
        contexts, lines = [np.arange(start, start + 30)], [np.arange(1, 4)]
        reader.read(row, contexts)
        reader.extend(row, contexts, lines)
        reader.score(row, contexts, [[np.arange(1, 4), np.arange(5, 9)]])
    for part in (cache.contexts, cache.lines, cache.scores):
        assert max_bytes / 2 <= part.total_size <= max_bytes


def test_environments_share_results_if_they_allow_the_same_memory(model):
    cache = shared_cache(model, "auto", 2**20)
    assert cache.contexts.capacity == 2**16
    assert shared_cache(model, "auto", 2**20) is cache
    assert shared_cache(model, "auto", 2**21) is not cache
    assert shared_cache(model, "int8", 2**20) is not cache
