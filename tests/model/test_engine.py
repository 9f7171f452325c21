import copy

import numpy as np
import pytest
import torch

from lm_envs.model import engine as engine_module
from lm_envs.model import loading
from lm_envs.model.engine import Engine
from lm_envs.model.prompt_cache import PromptCache, shared

VOCABULARY = 700
needs_int8 = pytest.mark.skipif(
    not torch.cpu._is_vnni_supported(), reason="int8 needs a CPU with VNNI instructions"
)
CAPACITY = 128
both_caches = pytest.mark.parametrize("cache_dtype", ["auto", "int8"])


def make_engine(model, num_rows, **changes):
    options = {"capacity": CAPACITY, "num_candidates": 16, "end_token": 0} | changes
    return Engine(model, num_rows, **options)


def random_tokens(rng, size):
    return rng.integers(1, VOCABULARY, size)


def walk(model, num_rows, num_steps, *, seed=0, **changes):
    """Outputs and contexts of a run in which rows of ragged prompts begin again at random."""
    rng = np.random.default_rng(seed)
    engine = make_engine(model, num_rows, **changes)
    contexts = [random_tokens(rng, int(n)) for n in rng.integers(1, 60, 32)][:num_rows]
    engine.prefill(np.arange(num_rows), contexts)
    for _ in range(num_steps):
        tokens = random_tokens(rng, 32)[:num_rows]
        fresh = [random_tokens(rng, int(n)) for n in rng.integers(1, 60, 32)]
        is_reset = rng.random(32)[:num_rows] < 0.05
        outputs = engine.decode(tokens)
        contexts = [np.append(c, token) for c, token in zip(contexts, tokens, strict=True)]
        is_full = np.array([len(context) >= CAPACITY - 1 for context in contexts])
        rows = np.flatnonzero(is_reset | is_full)
        if len(rows):
            outputs = engine.prefill(rows, [fresh[row] for row in rows])
            contexts = [fresh[i] if i in rows else c for i, c in enumerate(contexts)]
        yield outputs, contexts


@torch.no_grad()
def reference_logprobs(reference_model, context):
    return reference_model(torch.tensor(context)[None]).logits[0, -1].log_softmax(-1).numpy()


def test_outputs_equal_transformers_over_ragged_prompts_and_row_resets(reference_model, model):
    worst_logprob = worst_hidden = 0.0
    for step, (outputs, contexts) in enumerate(walk(model, 6, 1000)):
        if step % 25:
            continue
        for row, context in enumerate(contexts):
            expected = reference_logprobs(reference_model, context)
            difference = expected[outputs.candidates[row, :-1]] - outputs.logprobs[row, :-1]
            worst_logprob = max(worst_logprob, np.abs(difference).max())
            assert outputs.candidates[row, 0] == expected.argmax()
            with torch.no_grad():
                states = reference_model.transformer(torch.tensor(context)[None])
            difference = states.last_hidden_state[0, -1].numpy() - outputs.hidden[row]
            worst_hidden = max(worst_hidden, np.abs(difference).max())
    assert worst_logprob <= 2e-5
    assert worst_hidden <= 2e-5


def test_bfloat16_agrees_on_the_best_word_of_the_embedded_model():
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


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", pytest.param("int8", marks=needs_int8)])
@pytest.mark.parametrize("num_rows", [2, 7, 32])
def test_a_row_does_not_depend_on_how_many_rows_there_are(checkpoint, num_rows, dtype):
    model = loading.load(checkpoint, "cpu", dtype)
    together, alone = walk(model, num_rows, 300), walk(model, 1, 300)
    for (many, _), (one, _) in zip(together, alone, strict=True):
        assert np.array_equal(many.candidates[0], one.candidates[0])
        np.testing.assert_allclose(many.logprobs[0], one.logprobs[0], rtol=0, atol=2e-5)


def test_prefill_leaves_other_rows_as_they_are(model):
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


def test_chosen_is_the_log_probability_that_was_offered(model):
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


def test_score_equals_transformers(reference_model, model):
    rng = np.random.default_rng(0)
    sequences = [random_tokens(rng, int(n)) for n in (1, 2, 17, 64, 130)]
    scores = make_engine(model, 1).score(sequences)
    for tokens, logprobs in zip(sequences, scores, strict=True):
        with torch.no_grad():
            logits = reference_model(torch.tensor(tokens)[None]).logits[0].log_softmax(-1).numpy()
        expected = logits[np.arange(len(tokens) - 1), tokens[1:]]
        assert logprobs[0] == 0.0
        np.testing.assert_allclose(logprobs[1:], expected, rtol=0, atol=2e-5)


def test_a_sequence_longer_than_the_model_reads_is_not_scored(model):
    """Regression: positions past the last were read as the last."""
    with pytest.raises(ValueError, match="161 tokens to score; allowed: 160"):
        make_engine(model, 1).score([np.ones(161, np.int64)])


def pieces(rng, tokens):
    """`tokens` cut at random places."""
    cuts = np.flatnonzero(rng.random(len(tokens) - 1) < 0.3) + 1
    return np.split(tokens, cuts)


@both_caches
def test_a_row_read_in_parts_is_the_row_read_at_once_bit_for_bit(model, cache_dtype):
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
        for name in ("hidden", "candidates", "logprobs"):
            expected = getattr(whole.outputs, name)
            np.testing.assert_array_equal(getattr(parts.outputs, name), expected)
            np.testing.assert_array_equal(getattr(alone.outputs, name)[0], expected[0])
        assert parts.lengths.tolist() == [len(text) for text in texts]


def test_a_row_that_goes_on_from_an_earlier_place_agrees_with_a_prefill(model):
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


def test_lines_are_appended_with_the_log_probabilities_they_had(model):
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


def test_many_tokens_are_read_in_several_passes(model, monkeypatch):
    rng = np.random.default_rng(0)
    texts = [random_tokens(rng, int(size)) for size in rng.integers(1, 40, 9)]
    rows, starts = np.arange(9), np.zeros(9, int)
    at_once = make_engine(model, 9).extend(rows, starts, texts)
    monkeypatch.setattr("lm_envs.model.batching.TOKENS_PER_PASS", 80)
    np.testing.assert_array_equal(
        make_engine(model, 9).extend(rows, starts, texts).hidden, at_once.hidden
    )


def test_slots_take_the_memory_of_their_shape(model):
    rows, layers, width, heads = 5, 3, 96, 6
    vectors = 2 * layers * rows * CAPACITY * heads
    size = width // heads
    assert make_engine(model, rows).num_bytes == vectors * size * 4
    assert make_engine(model, rows, cache_dtype="int8").num_bytes == vectors * (size + 4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@both_caches
def test_captured_steps_on_cuda_equal_the_cpu(checkpoint, cache_dtype):
    walks = (
        walk(loading.load(checkpoint, device, "float32"), 7, 200, cache_dtype=cache_dtype)
        for device in ("cpu", "cuda")
    )
    for (a, _), (b, _) in zip(*walks, strict=True):
        np.testing.assert_allclose(a.hidden, b.hidden, rtol=0, atol=2e-3)
        np.testing.assert_allclose(a.chosen, b.chosen, rtol=0, atol=2e-3)


def test_lines_score_as_if_they_were_appended(model):
    rng = np.random.default_rng(0)
    prompts = [rng.integers(1, 700, size) for size in (5, 17, 9)]
    engine = Engine(model, 3, capacity=60, num_candidates=4, end_token=0)
    engine.prefill(np.arange(3), prompts)
    lines = [[rng.integers(1, 700, rng.integers(1, 7)) for _ in range(5)] for _ in range(3)]
    scored = engine.score_options(np.arange(3), lines)
    for row, prompt in enumerate(prompts):
        for line, logprobs in zip(lines[row], scored[row], strict=True):
            expected = engine.score([np.concatenate([prompt, line])])[0][len(prompt) :]
            np.testing.assert_allclose(logprobs, expected, atol=2e-5)
    tokens = rng.integers(1, 700, 3)
    after = engine.decode(tokens)
    fresh = Engine(model, 3, capacity=60, num_candidates=4, end_token=0)
    fresh.prefill(np.arange(3), prompts)
    np.testing.assert_array_equal(after.hidden, fresh.decode(tokens).hidden)


@both_caches
def test_scores_of_lines_depend_on_their_own_row_alone(model, cache_dtype):
    """Regression: the last bits depended on the widest line of all rows."""
    rng = np.random.default_rng(0)
    texts = [random_tokens(rng, size) for size in (19, 56, 9)]
    lines = [[random_tokens(rng, size) for size in sizes] for sizes in ((3, 4), (11, 2), (1, 8))]
    together = make_engine(model, 3, cache_dtype=cache_dtype)
    together.extend(np.arange(3), np.zeros(3, int), texts)
    scored = together.score_options(np.arange(3), lines)
    for row, text in enumerate(texts):
        alone = make_engine(model, 1, cache_dtype=cache_dtype)
        alone.extend(np.arange(1), np.zeros(1, int), [text])
        for expected, found in zip(
            alone.score_options(np.arange(1), [lines[row]])[0], scored[row], strict=True
        ):
            np.testing.assert_array_equal(found, expected)


def test_a_row_recalls_what_another_said(model):
    rng = np.random.default_rng(0)
    engine = make_engine(model, 3)
    said = engine.prefill(np.arange(3), [random_tokens(rng, size) for size in (9, 30, 4)])
    states = engine.packed_outputs(np.array([1]))
    engine.decode(random_tokens(rng, 3))
    outputs = engine.restore_outputs(np.array([2]), states)
    for name in ("hidden", "candidates", "logprobs"):
        np.testing.assert_array_equal(getattr(outputs, name)[2], getattr(said, name)[1])
    assert outputs.chosen[2] == 0.0
    assert engine.lengths.tolist() == [10, 31, 5]


def recurring(rng, prompts, num_rows):
    """Rows that begin again, and what each begins with: some prompts together, and again later."""
    rows = np.flatnonzero(rng.random(num_rows) < 0.4)
    return rows, [prompts[place] for place in rng.integers(0, len(prompts), len(rows))]


@both_caches
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", pytest.param("int8", marks=needs_int8)])
def test_remembered_prompts_change_no_number(checkpoint, dtype, cache_dtype):
    model = loading.load(checkpoint, "cpu", dtype)
    rng = np.random.default_rng(0)
    prompts = [random_tokens(rng, int(size)) for size in rng.integers(1, 100, 12)]
    caches = (None, PromptCache(2**30), PromptCache(3 * 2**18))
    plain, caching, tight = (
        make_engine(model, 7, prompts=cache, cache_dtype=cache_dtype) for cache in caches
    )
    rows, begun = np.arange(7), prompts[:7]
    for _ in range(25):
        tokens = random_tokens(rng, 7)
        for engine in (plain, caching, tight):
            if len(rows):
                engine.prefill(rows, begun)
            engine.decode(tokens)
        for engine in (caching, tight):
            assert engine.lengths.tolist() == plain.lengths.tolist()
            for name in ("hidden", "candidates", "logprobs", "chosen"):
                expected = getattr(plain.outputs, name)
                np.testing.assert_array_equal(getattr(engine.outputs, name), expected)
        rows, begun = recurring(rng, prompts, 7)
        full = np.setdiff1d(np.flatnonzero(plain.lengths >= CAPACITY - 1), rows)
        rows, begun = np.append(rows, full), begun + [prompts[0]] * len(full)


def count_read(monkeypatch):
    """Counts of prompts, a number for each time that some were read."""
    counts = []
    read = engine_module.read_prompts

    def counted(model, slots, rows, prompts, hidden):
        counts.append(len(prompts))
        read(model, slots, rows, prompts, hidden)

    monkeypatch.setattr(engine_module, "read_prompts", counted)
    return counts


def test_a_prompt_is_read_once(model, monkeypatch):
    rng = np.random.default_rng(0)
    counts = count_read(monkeypatch)
    a, b = random_tokens(rng, 9), random_tokens(rng, 20)
    engine = make_engine(model, 4, prompts=PromptCache(2**20))
    engine.prefill(np.arange(4), [a, b, a, a])
    engine.prefill(np.array([1, 3]), [a, b])
    assert counts == [2]
    assert engine.lengths.tolist() == [9, 9, 9, 20]


def test_without_a_cache_every_prompt_is_read(model, monkeypatch):
    counts = count_read(monkeypatch)
    prompt = random_tokens(np.random.default_rng(0), 9)
    engine = make_engine(model, 2)
    for _ in range(2):
        engine.prefill(np.arange(2), [prompt, prompt])
    assert counts == [2, 2]


def test_engines_of_one_model_share_prompts_where_they_say_as_much_of_them(model, monkeypatch):
    counts = count_read(monkeypatch)
    prompt = random_tokens(np.random.default_rng(0), 9)
    cache = shared(model, 2**20)
    for num_candidates in (16, 4, 16):
        engine = make_engine(model, 1, num_candidates=num_candidates, prompts=cache)
        assert engine.prefill(np.arange(1), [prompt]).candidates.shape == (1, num_candidates)
    assert counts == [1, 1]
    assert shared(model, 2**20) is cache
    assert shared(model, 2**21) is not cache
    assert shared(copy.copy(model), 2**20) is not cache


def test_a_remembered_prompt_leaves_other_rows_as_they_are(model):
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
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_remembered_prompts_on_cuda_say_what_they_said(checkpoint):
    model = loading.load(checkpoint, "cuda", "float32")
    rng = np.random.default_rng(0)
    prompts = [random_tokens(rng, size) for size in (9, 30)]
    engine = make_engine(model, 2, prompts=PromptCache(2**20))
    said = engine.prefill(np.arange(2), prompts)
    after = engine.decode(np.array([5, 6]))
    again = engine.prefill(np.arange(2), prompts)
    np.testing.assert_array_equal(again.hidden, said.hidden)
    np.testing.assert_array_equal(engine.decode(np.array([5, 6])).hidden, after.hidden)


def test_tokens_read_are_counted_and_remembered_ones_are_not(model):
    engine = make_engine(model, 3, prompts=PromptCache(2**20))
    prompt, other = np.arange(1, 6), np.arange(1, 4)

    def read_by(what, *arguments):
        before = engine.num_forward_tokens
        what(*arguments)
        return engine.num_forward_tokens - before

    rows = np.arange(3)
    assert read_by(engine.prefill, rows, [prompt, prompt, other]) == 5 + 3
    assert read_by(engine.prefill, rows[:1], [other]) == 0
    assert read_by(engine.decode, np.ones(3, np.int64), np.array([True, False, True])) == 2
    assert read_by(engine.extend_scored, rows[:2], [prompt, other]) == 5 + 3
    assert read_by(engine.extend, rows[:1], np.array([2]), [prompt]) == 5
    assert read_by(engine.score_options, rows[:1], [[prompt, other]]) == 5 + 3
    assert read_by(engine.score, [prompt, other]) == 5 + 3
    assert read_by(engine.hidden_states, [other]) == 3


def test_hidden_states_of_a_text_equal_transformers(reference_model, model):
    texts = [random_tokens(np.random.default_rng(0), size) for size in (1, 40, 17)]
    for text, states in zip(texts, make_engine(model, 1).hidden_states(texts), strict=True):
        with torch.no_grad():
            said = reference_model(torch.tensor(text)[None], output_hidden_states=True)
        np.testing.assert_allclose(states, said.hidden_states[-1][0], atol=1e-3)


def test_log_probabilities_of_chosen_words_equal_transformers(reference_model, model):
    rng = np.random.default_rng(0)
    contexts = [random_tokens(rng, size) for size in (4, 9)]
    engine = make_engine(model, 2)
    engine.prefill(np.arange(2), contexts)
    words = rng.integers(0, VOCABULARY, (2, 6))
    found = engine.logprobs_of(words)
    for row, context in enumerate(contexts):
        expected = reference_logprobs(reference_model, context)[words[row]]
        np.testing.assert_allclose(found[row], expected, atol=1e-4)
