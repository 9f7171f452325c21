"""Sources that the language model guesses from their first words."""

import numpy as np
import pytest

from agents.baselines.rules.simultaneous.source_guesses import KEPT, Beginning, SourceGuesses
from lm_envs.tasks.data.word_prefixes import word_prefixes


@pytest.fixture(scope="module")
def guesses(env):
    env.reset(options={"index": np.arange(100, 116)})
    return SourceGuesses(env.actions)


def beginnings(env, indices, count=2):
    """Beginnings of those examples that have more words, and their whole sources."""
    found = []
    for index in indices:
        example = env.episodes.example(index)
        num_words = env.task.num_source_words(example)
        if num_words > count:
            tokens, words = env.task.unfinished_source(example, count)
            source = env.task.unfinished_source(example, num_words)[1]
            found.append((Beginning(tokens, words, num_words), source))
    return found


def test_guesses_continue_what_was_read_with_the_right_number_of_words(env, guesses):
    cases = beginnings(env, range(0, 600, 10))
    assert len(cases) > 20
    found = guesses.of([beginning for beginning, _ in cases])
    for (beginning, _), each in zip(cases, found, strict=True):
        assert 1 <= len(each) <= KEPT
        assert sum(share for _, share in each) == pytest.approx(1.0)
        assert len({text for text, _ in each}) == len(each)
        if each[0][0] != beginning.words:
            assert all(text.startswith(beginning.words) for text, _ in each)
            assert {len(word_prefixes(text)) - 1 for text, _ in each} == {beginning.num_words}


def test_the_next_word_is_guessed_better_than_from_another_source(env, guesses):
    cases = beginnings(env, range(0, 600, 4))
    found = guesses.of([beginning for beginning, _ in cases])

    def chance(each, source):
        following = source.split()[2]
        return sum(share for text, share in each if text.split()[2:3] == [following])

    sources = [source for _, source in cases]
    right = np.mean([chance(e, s) for e, s in zip(found, sources, strict=True)])
    wrong = np.mean([chance(e, s) for e, s in zip(found, sources[1:] + sources[:1], strict=True)])
    assert right > 0.25
    assert right > 2 * wrong


def test_guesses_do_not_depend_on_others(env, guesses):
    cases = [beginning for beginning, _ in beginnings(env, range(0, 600, 30))]
    together = guesses.of(cases)
    assert SourceGuesses(env.actions).of(cases[-1:]) == [together[-1]]
    assert len(guesses.of(cases[:0])) == 0


def test_next_tokens_are_those_of_the_environment(env, guesses):
    examples = [env.episodes.example(index) for index in range(100, 116)]
    contexts = [env.task.source_prefix(example, 1) for example in examples]
    found, known = guesses.next_tokens(contexts), env.outputs
    np.testing.assert_array_equal(found.tokens[:, :3], known.candidates[:, :3])
    np.testing.assert_allclose(found.probabilities[:, :3], np.exp(known.logprobs[:, :3]), rtol=1e-3)
