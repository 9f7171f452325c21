import gymnasium as gym
import numpy as np
import pytest

import lm_envs  # noqa: F401 - registers the ids
from lm_envs.envs.actions import cached_reader
from lm_envs.envs.actions.cached_reader import CachedReader, ReadCache, common_prefix
from lm_envs.lru import LRUCache
from lm_envs.model.engine import Engine

ROWS, STEPS = 6, 40
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


def run(env_id, options, mode):
    """Everything that an environment reports under random actions, few of them different."""
    env = gym.make_vec(env_id, num_envs=ROWS, autoreset_mode=mode, **options).unwrapped
    rng = np.random.default_rng(0)
    yield env.reset(seed=3)
    over = np.zeros(ROWS, bool)
    for step in range(STEPS):
        if mode == "disabled" and over.any():
            yield env.reset(options={"reset_mask": over})
        if step % 20 == 19:
            yield env.set_state(env.get_state()), env.candidate_logprobs
        reported = env.step(rng.choice([0, 2], ROWS))
        over = reported[2] | reported[3]
        yield reported


def assert_same(one, other):
    """Equal in every number and text."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_same(one[name], other[name])
    elif isinstance(one, tuple) or getattr(one, "dtype", None) == np.dtype(object):
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def count(monkeypatch):
    """Tokens that engines were given to read after one another."""
    sizes = []
    extend = Engine._extend

    def counted(self, rows, starts, tokens):
        sizes.append(sum(map(len, tokens)))
        return extend(self, rows, starts, tokens)

    monkeypatch.setattr(Engine, "_extend", counted)
    return sizes


@pytest.mark.parametrize(("env_id", "options", "mode"), CASES)
def test_what_is_remembered_changes_no_number(env_id, options, mode, monkeypatch, count):
    monkeypatch.setattr(cached_reader, "shared_cache", lambda model, cache_dtype: ReadCache())
    remembering = list(run(env_id, options, mode))
    num_read = sum(count)
    monkeypatch.setattr(cached_reader, "CACHE_SIZE", 0)
    forgetful = list(run(env_id, options, mode))
    for one, other in zip(remembering, forgetful, strict=True):
        assert_same(one, other)
    assert num_read < sum(count) - num_read


def test_environments_over_one_model_share_what_they_read(count):
    counts = []
    for _ in range(2):
        env = gym.make("lm_envs/Classification-v0", **LANGUAGES)
        for index in range(5):
            env.reset(options={"index": index})
        counts.append(len(count))
    assert counts[0] == counts[1] <= 5


def test_what_is_said_through_codes_is_not_taken_for_exact():
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
    return engine, CachedReader(engine, ReadCache())


def test_rows_that_say_the_same_read_it_once(model, count):
    text = np.arange(1, 30)
    engine, reader = make_reader(model, 3)
    reader.read(np.arange(3), [text, text, text])
    reader.read(np.arange(3), [text, text, text])
    assert count == [29]
    assert (engine.outputs.hidden == engine.outputs.hidden[0]).all()


def test_a_row_that_stayed_behind_catches_up(model, count):
    """Only from where its text differs from what its slot holds."""
    rng = np.random.default_rng(0)
    start, line, other = (rng.integers(1, 700, size) for size in (30, 4, 5))
    engine, reader = make_reader(model, 2)
    whole = np.concatenate([start, line])
    reader.read(np.arange(2), [start, start[:20]])
    reader.append(np.array([0]), [start], [line])
    reader.read(np.array([1]), [start])  # recalled
    reader.append(np.array([1]), [start], [line])  # recalled
    assert count == [50, 4]
    scored = reader.append(np.array([1]), [whole], [other])[0]
    assert count == [50, 4, 14, 5]
    fresh, afresh = make_reader(model, 1)
    afresh.read(np.arange(1), [whole])
    np.testing.assert_array_equal(scored, afresh.append(np.arange(1), [whole], [other])[0])
    np.testing.assert_array_equal(engine.outputs.hidden[1], fresh.outputs.hidden[0])


def test_lines_cut_elsewhere_are_other_lines(model):
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


def test_values_used_longest_ago_make_room():
    recent = LRUCache(2)
    asked = []

    def find(places):
        asked.append(places)
        return places

    recent.get_or_compute(["a", "b"], find)
    recent.get_or_compute(["a"], find)
    recent.get_or_compute(["c", "c"], find)
    recent.get_or_compute(["a"], find)
    recent.get_or_compute(["b"], find)
    assert asked == [[0, 1], [1], [0]]


@pytest.mark.parametrize(
    ("text", "held", "count"),
    [([1, 2, 3], [1, 2, 4], 2), ([1, 2, 3], [1, 2, 3], 2), ([1], [], 0), ([1, 2], [3, 2, 1], 0)],
)
def test_leading_ids_alike(text, held, count):
    assert common_prefix(np.array(text), np.array(held, int)) == count
