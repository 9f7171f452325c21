import copy

import numpy as np
import pytest
import torch

from lm_envs.model import loading
from lm_envs.model.prompt_cache import PromptCache, shared
from tests.model.engines import (
    CAPACITY,
    STATE_NAMES,
    VOCABULARY,
    all_dtypes,
    both_cache_dtypes,
    count_tokens,
    make_engine,
    make_torch_model,
    needs_cuda,
    needs_int8,
    random_tokens,
    reference_logprobs,
    walk,
)
from tests.operations import HostCopies, Operations


def test_outputs_equal_transformers_over_ragged_prompts_and_row_resets(reference_model, model):
    worst_logprob = worst_hidden = 0.0
    for step, (outputs, contexts) in enumerate(walk(model, 6, 1000)):
        if step % 25:
            continue
        for row, context in enumerate(contexts):
            expected = reference_logprobs(reference_model, context)[-1]
            difference = expected[outputs.candidates[row, :-1]] - outputs.logprobs[row, :-1]
            worst_logprob = max(worst_logprob, np.abs(difference).max())
            assert outputs.candidates[row, 0] == expected.argmax()
            with torch.no_grad():
                states = reference_model.transformer(torch.tensor(context)[None])
            difference = states.last_hidden_state[0, -1].numpy() - outputs.hidden[row]
            worst_hidden = max(worst_hidden, np.abs(difference).max())
    assert worst_logprob <= 2e-5
    assert worst_hidden <= 2e-5


def test_bfloat16_agrees_on_the_most_likely_token_of_the_embedded_model():
    folder = loading.locate("embedded")
    exact, fast = (loading.load(folder, "cpu", dtype) for dtype in ("float32", "bfloat16"))
    engines = [make_engine(network, 16, num_candidates=8) for network in (exact, fast)]
    rng = np.random.default_rng(0)
    prompts = [rng.integers(1, 6000, 12) for _ in range(16)]
    a, b = (engine.prefill(np.arange(16), prompts) for engine in engines)
    agreed = []
    for _ in range(100):
        agreed.append(a.candidates[:, 0] == b.candidates[:, 0])
        chosen = a.candidates[np.arange(16), rng.integers(0, 8, 16)]
        a, b = (engine.decode(chosen) for engine in engines)
    assert np.mean(agreed) >= 0.99


@all_dtypes
@pytest.mark.parametrize("num_rows", [2, 7, 32])
def test_a_row_does_not_depend_on_the_number_of_rows(checkpoint, num_rows, dtype):
    model = loading.load(checkpoint, "cpu", dtype)
    together, alone = walk(model, num_rows, 300), walk(model, 1, 300)
    for (many, _), (one, _) in zip(together, alone, strict=True):
        assert np.array_equal(many.candidates[0], one.candidates[0])
        np.testing.assert_allclose(many.logprobs[0], one.logprobs[0], rtol=0, atol=2e-5)


def test_prefill_leaves_other_rows_unchanged(model):
    rng = np.random.default_rng(0)
    engine = make_engine(model, 4)
    before = engine.prefill(np.arange(4), [random_tokens(rng, 9) for _ in range(4)])
    after = engine.prefill(np.array([2]), [random_tokens(rng, 30)])
    others = [0, 1, 3]
    assert np.array_equal(before.hidden[others], after.hidden[others])
    assert not np.array_equal(before.hidden[2], after.hidden[2])
    assert engine.lengths.tolist() == [9, 9, 30, 9]


def test_an_inactive_row_keeps_its_outputs_and_its_future(model):
    rng = np.random.default_rng(0)
    prompts = [random_tokens(rng, 9) for _ in range(2)]
    waiting, steady = make_engine(model, 2), make_engine(model, 2)
    kept = waiting.prefill(np.arange(2), prompts)
    steady.prefill(np.arange(2), prompts)
    for _ in range(5):
        outputs = waiting.decode(random_tokens(rng, 2), np.array([True, False]))
        assert np.array_equal(outputs.hidden[1], kept.hidden[1])
    token = np.array([5, 6])
    assert np.array_equal(waiting.decode(token).hidden[1], steady.decode(token).hidden[1])


def test_chosen_is_the_candidates_log_probability(model):
    rng = np.random.default_rng(0)
    engine = make_engine(model, 3)
    offered = engine.prefill(np.arange(3), [random_tokens(rng, n) for n in (3, 20, 7)])
    outputs = engine.decode(offered.candidates[:, 4])
    np.testing.assert_allclose(outputs.chosen, offered.logprobs[:, 4], rtol=0, atol=2e-5)


def test_the_end_of_text_is_always_a_candidate(model):
    rng = np.random.default_rng(0)
    engine = make_engine(model, 8, num_candidates=3)
    outputs = engine.prefill(np.arange(8), [random_tokens(rng, 5) for _ in range(8)])
    assert (outputs.candidates == 0).any(1).all()
    assert (np.diff(outputs.logprobs, axis=1) <= 0).all()


def pieces(rng, tokens):
    """`tokens` cut at random places."""
    cuts = np.flatnonzero(rng.random(len(tokens) - 1) < 0.3) + 1
    return np.split(tokens, cuts)


@both_cache_dtypes
def test_extending_in_parts_equals_extending_at_once_bit_for_bit(model, cache_dtype):
    rng = np.random.default_rng(0)
    for count in (1, 2, 7, 32):
        texts = [random_tokens(rng, int(size)) for size in rng.integers(2, CAPACITY, count)]
        whole, parts, alone = (
            make_engine(model, n, cache_dtype=cache_dtype) for n in (count, count, 1)
        )
        whole.extend(np.arange(count), np.zeros(count, int), texts)
        queues = [pieces(rng, text) for text in texts]
        for step in range(max(map(len, queues))):
            rows = np.array([row for row, queue in enumerate(queues) if step < len(queue)])
            starts = parts.lengths[rows] * (step > 0)
            parts.extend(rows, starts, [queues[row][step] for row in rows])
        alone.extend(np.arange(1), np.zeros(1, int), texts[:1])
        for name in STATE_NAMES:
            expected = getattr(whole.outputs, name)
            np.testing.assert_array_equal(getattr(parts.outputs, name), expected)
            np.testing.assert_array_equal(getattr(alone.outputs, name)[0], expected[0])
        assert parts.lengths.tolist() == [len(text) for text in texts]


def test_extending_from_an_earlier_position_agrees_with_a_prefill(model):
    rng = np.random.default_rng(0)
    texts = [random_tokens(rng, size) for size in (30, 9, 64, 17)]
    rows, starts = np.array([2, 0, 3]), np.array([40, 29, 0])
    ends = [random_tokens(rng, size) for size in (5, 1, 20)]
    engine, fresh = make_engine(model, 4), make_engine(model, 4)
    before = engine.prefill(np.arange(4), texts)
    outputs = engine.extend(rows, starts, ends)
    kept = zip(rows, starts, ends, strict=True)
    expected = fresh.prefill(rows, [np.append(texts[row][:start], end) for row, start, end in kept])
    assert outputs.candidates[rows].tolist() == expected.candidates[rows].tolist()
    np.testing.assert_allclose(outputs.hidden[rows], expected.hidden[rows], rtol=0, atol=2e-5)
    np.testing.assert_array_equal(outputs.hidden[1], before.hidden[1])
    tokens = random_tokens(rng, 4)
    after, wanted = engine.decode(tokens), fresh.decode(tokens, np.isin(np.arange(4), rows))
    np.testing.assert_allclose(after.hidden[rows], wanted.hidden[rows], rtol=0, atol=2e-5)


def test_extend_scored_returns_the_log_probabilities_of_score(model):
    rng = np.random.default_rng(0)
    texts = [random_tokens(rng, size) for size in (30, 9, 64)]
    lines = [random_tokens(rng, size) for size in (4, 1, 11)]
    engine = make_engine(model, 3)
    engine.prefill(np.arange(3), texts)
    scores = engine.extend_scored(np.arange(3), lines)
    for row, (text, line) in enumerate(zip(texts, lines, strict=True)):
        expected = engine.score([np.append(text, line)])[0][len(text) :]
        np.testing.assert_allclose(scores[row], expected, rtol=0, atol=2e-5)
        assert engine.lengths[row] == len(text) + len(line)


def test_several_passes_equal_one_pass(model, monkeypatch):
    rng = np.random.default_rng(0)
    texts = [random_tokens(rng, int(size)) for size in rng.integers(1, 40, 9)]
    rows, starts = np.arange(9), np.zeros(9, int)
    at_once = make_engine(model, 9).extend(rows, starts, texts)
    monkeypatch.setattr("lm_envs.model.batching.TOKENS_PER_PASS", 80)
    np.testing.assert_array_equal(
        make_engine(model, 9).extend(rows, starts, texts).hidden, at_once.hidden
    )


def test_num_bytes_is_the_memory_of_the_cache(model):
    rows, layers, width, heads = 5, 3, 96, 6
    vectors = 2 * layers * rows * CAPACITY * heads
    size = width // heads
    assert make_engine(model, rows).num_bytes == vectors * size * 4
    assert make_engine(model, rows, cache_dtype="int8").num_bytes == vectors * (size + 4)


ON_CUDA = {"float32": 5e-5, "bfloat16": 0.15}
"""Largest difference of log-probabilities between CUDA and the CPU in float32."""


def read_in_every_way(model, cache_dtype):
    """Results of all methods of an engine, called in turns that leave rows inactive and full."""
    rng = np.random.default_rng(0)
    engine = make_engine(model, 4, capacity=40, cache_dtype=cache_dtype)
    prompts = [random_tokens(rng, size) for size in (5, 20, 33, 39)]
    more, active = (
        [random_tokens(rng, size) for size in (2, 7)],
        np.array([True, True, True, False]),
    )
    options = [[random_tokens(rng, size) for size in (3, 2)] for _ in range(2)]
    yield engine.prefill(np.arange(4), prompts)
    yield engine.decode(random_tokens(rng, 4))  # the last row is full from here on
    for _ in range(3):
        yield engine.decode(random_tokens(rng, 4), active)
    yield engine.extend(np.array([2, 0]), np.array([30, 3]), more)
    yield [*engine.extend_scored(np.array([2, 0]), [part[:2] for part in more])]
    yield [part for own in engine.score_options(np.array([1, 0]), options) for part in own]
    yield engine.score(prompts)
    yield engine.decode(random_tokens(rng, 4), active)
    yield engine.prefill(np.array([3, 1]), prompts[:2])
    yield [engine.logprobs_of(rng.integers(1, VOCABULARY, (4, 3)))]
    yield engine.decode(random_tokens(rng, 4))


@pytest.mark.gpu
@needs_cuda
@both_cache_dtypes
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_way_of_reading_on_cuda_equals_the_cpu(checkpoint, dtype, cache_dtype):
    tolerance = ON_CUDA[dtype] if cache_dtype == "auto" else max(5e-2, ON_CUDA[dtype])
    cpu = read_in_every_way(loading.load(checkpoint, "cpu", "float32"), cache_dtype)
    cuda = read_in_every_way(loading.load(checkpoint, "cuda", dtype), cache_dtype)
    for expected, found in zip(cpu, cuda, strict=True):
        if isinstance(expected, list):
            for a, b in zip(expected, found, strict=True):
                np.testing.assert_allclose(b, a, rtol=0, atol=tolerance)
            continue
        np.testing.assert_allclose(found.chosen, expected.chosen, rtol=0, atol=tolerance)
        if dtype == "float32" and cache_dtype == "auto":
            np.testing.assert_allclose(found.hidden, expected.hidden, rtol=0, atol=tolerance)
            np.testing.assert_array_equal(found.candidates, expected.candidates)
            np.testing.assert_allclose(found.logprobs, expected.logprobs, rtol=0, atol=tolerance)


@pytest.mark.gpu
@needs_cuda
def test_a_second_engine_on_cuda_changes_nothing(checkpoint):
    model = loading.load(checkpoint, "cuda", "float32")
    alone = list(walk(model, 5, 40))
    first, second = walk(model, 5, 40), walk(model, 3, 40, seed=1)
    for (expected, _), (found, _), _ in zip(alone, first, second, strict=True):
        np.testing.assert_array_equal(found.hidden, expected.hidden)
        np.testing.assert_array_equal(found.candidates, expected.candidates)


@pytest.mark.gpu
@needs_cuda
def test_more_rows_than_fit_on_cuda_are_refused_before_anything_is_allocated(checkpoint):
    model = loading.load(checkpoint, "cuda", "float32")
    before = torch.cuda.memory_allocated()
    with pytest.raises(ValueError, match="enough for"):
        make_engine(model, 10**7)
    assert torch.cuda.memory_allocated() == before


def after_a_step(start):
    """What each method finds after a step that `start` takes, of engines in the same state."""
    follow_ups = {
        "outputs": lambda engine: engine.outputs,
        "packed_outputs": lambda engine: engine.packed_outputs(np.arange(3)),
        "prefill": lambda engine: engine.prefill(np.array([1]), [np.arange(1, 8)]),
        "copy_rows": lambda engine: engine.copy_rows(np.array([0]), np.array([2])),
        "extend": lambda engine: engine.extend(np.array([2]), np.array([3]), [np.arange(1, 4)]),
        "decode": lambda engine: engine.decode(np.array([4, 5, 6])),
        "logprobs_of": lambda engine: engine.logprobs_of(np.ones((3, 2), np.int64)),
    }
    for name, follow_up in follow_ups.items():
        engine = start()
        found = follow_up(engine)
        yield name, found if isinstance(found, np.ndarray) else engine.packed_outputs(np.arange(3))


def test_what_follows_a_started_step_is_what_follows_a_decode(model):
    def start(method):
        engine = make_engine(model, 3)
        engine.prefill(np.arange(3), [np.arange(1, size) for size in (5, 9, 30)])
        getattr(engine, method)(np.array([7, 8, 9]), np.array([True, False, True]))
        return engine

    expected = after_a_step(lambda: start("decode"))
    for (name, numbers), (_, found) in zip(
        expected, after_a_step(lambda: start("start_decode")), strict=True
    ):
        np.testing.assert_array_equal(found, numbers, name)


def test_restored_outputs_are_those_of_the_other_row(model):
    rng = np.random.default_rng(0)
    engine = make_engine(model, 3)
    prefilled = engine.prefill(np.arange(3), [random_tokens(rng, size) for size in (9, 30, 4)])
    states = engine.packed_outputs(np.array([1]))
    engine.decode(random_tokens(rng, 3))
    outputs = engine.restore_outputs(np.array([2]), states)
    for name in STATE_NAMES:
        np.testing.assert_array_equal(getattr(outputs, name)[2], getattr(prefilled, name)[1])
    assert outputs.chosen[2] == 0.0
    assert engine.lengths.tolist() == [10, 31, 5]


def recurring(rng, prompts, num_rows):
    """Rows that restart, and their prompts: some in common, and again later."""
    rows = np.flatnonzero(rng.random(num_rows) < 0.4)
    return rows, [prompts[place] for place in rng.integers(0, len(prompts), len(rows))]


@both_cache_dtypes
@all_dtypes
def test_cached_prompts_change_no_number(checkpoint, dtype, cache_dtype):
    model = loading.load(checkpoint, "cpu", dtype)
    rng = np.random.default_rng(0)
    prompts = [random_tokens(rng, int(size)) for size in rng.integers(1, 100, 12)]
    caches = (None, PromptCache(2**30), PromptCache(3 * 2**18))
    plain, caching, tight = (
        make_engine(model, 7, prompts=cache, cache_dtype=cache_dtype) for cache in caches
    )
    rows, restarts = np.arange(7), prompts[:7]
    for _ in range(25):
        tokens = random_tokens(rng, 7)
        for engine in (plain, caching, tight):
            if len(rows):
                engine.prefill(rows, restarts)
            engine.decode(tokens)
        for engine in (caching, tight):
            assert engine.lengths.tolist() == plain.lengths.tolist()
            for name in (*STATE_NAMES, "chosen"):
                expected = getattr(plain.outputs, name)
                np.testing.assert_array_equal(getattr(engine.outputs, name), expected)
        rows, restarts = recurring(rng, prompts, 7)
        full = np.setdiff1d(np.flatnonzero(plain.lengths >= CAPACITY - 1), rows)
        rows, restarts = np.append(rows, full), restarts + [prompts[0]] * len(full)


def test_a_cached_prompt_leaves_other_rows_unchanged(model):
    rng = np.random.default_rng(0)
    a, b = random_tokens(rng, 9), random_tokens(rng, 20)
    engine, plain = make_engine(model, 2, prompts=PromptCache(2**20)), make_engine(model, 2)
    for each in (engine, plain):
        each.prefill(np.arange(2), [a, b])
        each.decode(np.array([5, 6]))
        each.prefill(np.array([0]), [b])
    assert engine.lengths.tolist() == [20, 21]
    after, expected = (each.decode(np.array([7, 8])) for each in (engine, plain))
    np.testing.assert_array_equal(after.hidden, expected.hidden)
    np.testing.assert_array_equal(after.chosen, expected.chosen)


@pytest.mark.gpu
@needs_cuda
def test_cached_prompts_on_cuda_have_the_same_outputs(checkpoint):
    model = loading.load(checkpoint, "cuda", "float32")
    rng = np.random.default_rng(0)
    prompts = [random_tokens(rng, size) for size in (9, 30)]
    engine = make_engine(model, 2, prompts=PromptCache(2**20))
    prefilled = engine.prefill(np.arange(2), prompts)
    after = engine.decode(np.array([5, 6]))
    again = engine.prefill(np.arange(2), prompts)
    np.testing.assert_array_equal(again.hidden, prefilled.hidden)
    np.testing.assert_array_equal(engine.decode(np.array([5, 6])).hidden, after.hidden)


def test_log_probabilities_of_given_tokens_equal_transformers(reference_model, model):
    rng = np.random.default_rng(0)
    contexts = [random_tokens(rng, size) for size in (4, 9)]
    engine = make_engine(model, 2)
    engine.prefill(np.arange(2), contexts)
    tokens = rng.integers(0, VOCABULARY, (2, 6))
    found = engine.logprobs_of(tokens)
    for row, context in enumerate(contexts):
        expected = reference_logprobs(reference_model, context)[-1, tokens[row]]
        np.testing.assert_allclose(found[row], expected, atol=1e-4)


def test_a_cached_prompt_is_computed_once(model):
    rng = np.random.default_rng(0)
    a, b = random_tokens(rng, 9), random_tokens(rng, 20)
    engine = make_engine(model, 4, prompts=PromptCache(2**20))
    assert count_tokens(engine, engine.prefill, np.arange(4), [a, b, a, a]) == 9 + 20
    assert count_tokens(engine, engine.prefill, np.array([1, 3]), [a, b]) == 0
    assert engine.lengths.tolist() == [9, 9, 9, 20]


def test_without_a_cache_every_prompt_is_computed(model):
    prompt = random_tokens(np.random.default_rng(0), 9)
    engine = make_engine(model, 2)
    for _ in range(2):
        assert count_tokens(engine, engine.prefill, np.arange(2), [prompt, prompt]) == 18


def test_engines_share_prompts_only_with_the_same_number_of_candidates(model):
    network, prompt = copy.copy(model), random_tokens(np.random.default_rng(0), 9)
    counts = []
    for num_candidates in (16, 4, 16):
        cache = shared(network, 2**20)
        engine = make_engine(network, 1, num_candidates=num_candidates, prompts=cache)
        counts.append(count_tokens(engine, engine.prefill, np.arange(1), [prompt]))
        assert engine.outputs.candidates.shape == (1, num_candidates)
    assert counts == [9, 9, 0]


def test_engines_share_prompts_only_with_the_same_cache_dtype(model):
    network, prompt = copy.copy(model), np.arange(1, 30)
    cache, hidden = shared(network, 2**20), {}
    for kind in ("auto", "int8", "auto", "int8"):
        engine = make_engine(network, 1, prompts=cache, cache_dtype=kind)
        outputs = engine.prefill(np.arange(1), [prompt])
        np.testing.assert_array_equal(outputs.hidden, hidden.setdefault(kind, outputs.hidden))
    assert not np.array_equal(hidden["auto"], hidden["int8"])


def test_forward_tokens_are_counted_without_cached_ones(model):
    engine = make_engine(model, 3, prompts=PromptCache(2**20))
    prompt, other, rows = np.arange(1, 6), np.arange(1, 4), np.arange(3)
    active = np.array([True, False, True])
    assert count_tokens(engine, engine.prefill, rows, [prompt, prompt, other]) == 5 + 3
    assert count_tokens(engine, engine.prefill, rows[:1], [other]) == 0
    assert count_tokens(engine, engine.decode, np.ones(3, np.int64), active) == 2
    assert count_tokens(engine, engine.extend_scored, rows[:2], [prompt, other]) == 5 + 3
    assert count_tokens(engine, engine.extend, rows[:1], np.array([2]), [prompt]) == 5
    assert count_tokens(engine, engine.score_options, rows[:1], [[prompt, other]]) == 5 + 3


@all_dtypes
@pytest.mark.parametrize("num_rows", [2, 7, 32])
def test_a_row_with_an_int8_cache_does_not_depend_on_the_number_of_rows(
    checkpoint, num_rows, dtype
):
    model = loading.load(checkpoint, "cpu", dtype)
    walks = (walk(model, count, 150, cache_dtype="int8") for count in (num_rows, 1))
    for (many, _), (one, _) in zip(*walks, strict=True):
        for name in (*STATE_NAMES, "chosen"):
            np.testing.assert_array_equal(getattr(many, name)[0], getattr(one, name)[0])


@pytest.mark.parametrize("size", [20, 129])
def test_an_int8_cache_rounds_a_prompt_at_once_as_in_parts(model, size):
    prompt = random_tokens(np.random.default_rng(0), size)
    whole, parts, exact = (
        make_engine(model, 1, capacity=160, cache_dtype=kind) for kind in ("int8", "int8", "auto")
    )
    at_once = whole.prefill(np.arange(1), [prompt]).hidden
    parts.prefill(np.arange(1), [prompt[:7]])
    hidden = parts.extend(np.arange(1), np.array([7]), [prompt[7:]]).hidden
    gap = np.abs(at_once - hidden).max()
    assert gap < np.abs(at_once - exact.prefill(np.arange(1), [prompt]).hidden).max() / 4


@pytest.mark.parametrize(
    ("dtype", "bound"),
    [("float32", 0.01), ("bfloat16", 0.02), pytest.param("int8", 0.05, marks=needs_int8)],
)
def test_an_int8_cache_changes_the_embedded_model_little(dtype, bound):
    model, rng = loading.load(loading.locate("embedded"), "cpu", dtype), np.random.default_rng(0)
    engines = [
        make_engine(model, 16, num_candidates=8, cache_dtype=kind) for kind in ("auto", "int8")
    ]
    prompts = [rng.integers(1, 6000, 12) for _ in range(16)]
    exact, rounded = (engine.prefill(np.arange(16), prompts) for engine in engines)
    agreed, errors = [], []
    for _ in range(100):
        agreed.append(exact.candidates[:, 0] == rounded.candidates[:, 0])
        tokens = exact.candidates[np.arange(16), rng.integers(0, 8, 16)]
        exact, rounded = (engine.decode(tokens) for engine in engines)
        errors.append(np.abs(exact.chosen - rounded.chosen))
    assert 0.0 < np.mean(errors) < bound
    assert np.mean(agreed) > 0.97


def make_torch_engine(monkeypatch, device, **changes):
    """An engine of 8 rows whose kernels are PyTorch's operations, with random weights."""
    return make_engine(make_torch_model(monkeypatch, device), 8, **changes)


def calls(engine):
    """Each method by name, with arguments that read texts of many lengths."""
    rng, rows = np.random.default_rng(0), np.arange(8)
    prompts = [random_tokens(rng, size) for size in (3, 9, 16, 1, 12, 5, 2, 7)]
    texts = [random_tokens(rng, int(size)) for size in rng.integers(1, 48, 64)]  # 3 padded widths
    options = [[random_tokens(rng, size) for size in (1, 3, 2, 4)] for _ in rows]
    return {
        "prefill": lambda: engine.prefill(rows, prompts),
        "decode": lambda: engine.decode(random_tokens(rng, 8), rows > 2),
        "extend": lambda: engine.extend(rows[2:], rows[2:], prompts[2:]),
        "extend_scored": lambda: engine.extend_scored(rows[2:], prompts[2:]),
        "score_options": lambda: engine.score_options(rows, options),
        "logprobs_of": lambda: engine.logprobs_of(np.ones((8, 3), np.int64)),
        "restore_outputs": lambda: engine.restore_outputs(rows, engine.packed_outputs(rows)),
        "score": lambda: engine.score(texts),
        "next_token_logprobs": lambda: engine.next_token_logprobs(texts, texts),
        "hidden_states": lambda: engine.hidden_states(texts),
    }


COPIES = {
    "prefill": (2, 1),
    "decode": (1, 1),
    "extend": (2, 1),
    "extend_scored": (1, 1),
    "score_options": (1, 1),
    "logprobs_of": (1, 1),
    "restore_outputs": (1, 0),
    "score": (3, 3),
    "next_token_logprobs": (3, 3),
    "hidden_states": (3, 3),
}
"""Copies to the device and to the host: one each a pass, and one more where outputs follow passes
of several widths. The 64 texts have 3 padded widths."""


@both_cache_dtypes
def test_the_host_waits_for_a_device_only_for_results(monkeypatch, cache_dtype):
    engine = make_torch_engine(monkeypatch, "cpu", cache_dtype=cache_dtype)
    for name, call in calls(engine).items():
        with Operations() as found:
            call()
        assert found.waits == 0, name


@both_cache_dtypes
def test_copies_between_host_and_device_do_not_depend_on_the_number_of_texts(
    monkeypatch, cache_dtype
):
    engine, counts = make_torch_engine(monkeypatch, "meta", cache_dtype=cache_dtype), {}
    for name, call in calls(engine).items():
        with HostCopies() as copies:
            call()
        counts[name] = (copies.to_device, copies.to_host)
    assert counts == COPIES


def test_a_prompt_cache_adds_one_copy_for_all_rows(monkeypatch):
    engine = make_torch_engine(monkeypatch, "meta", prompts=PromptCache(2**30))
    call = calls(engine)["prefill"]
    for expected in ((3, 1), (2, 0)):  # with the places of the vectors in the KV cache
        with HostCopies() as copies:
            call()
        assert (copies.to_device, copies.to_host) == expected


def test_autocast_of_the_caller_changes_no_number(monkeypatch):
    """Regression: with linear layers that autocast reaches, a prefill raised an error."""
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)  # plain F.linear
    plain, inside = (make_torch_engine(monkeypatch, "cpu") for _ in range(2))
    for (name, call), same in zip(calls(plain).items(), calls(inside).values(), strict=True):
        expected = call()
        with torch.autocast("cpu", torch.bfloat16):
            found = same()
        for field in (*STATE_NAMES, "chosen"):
            equal = np.array_equal(getattr(plain.outputs, field), getattr(inside.outputs, field))
            assert equal, (name, field)
        if isinstance(expected, list):  # of scores or hidden states
            assert str(found) == str(expected), name
