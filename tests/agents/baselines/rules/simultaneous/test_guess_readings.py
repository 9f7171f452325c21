"""What guesses of the source tell about the next token."""

import numpy as np
import pytest

from agents.baselines.rules.simultaneous.guess_readings import NAMES, GuessReadings
from agents.baselines.rules.simultaneous.source_guesses import SourceGuesses
from agents.baselines.rules.simultaneous.stable_tokens import stay_probabilities
from lm_envs.envs.actions.read_write import READ


class GivenSources(SourceGuesses):
    """Returns given sources in place of guesses: those that begin as what was read."""

    def __init__(self, actions, sources):
        super().__init__(actions)
        self.sources = sources

    def of(self, beginnings):
        found = []
        for each in beginnings:
            fitting = [(s, w) for s, w in self.sources.items() if s.startswith(each.words)]
            found.append(fitting or [(each.words, 1.0)])
        return found


def whole_sources(env):
    texts = [env.tokenizer.decode(env.task.source_prefix(e, 99)) for e in env.episodes.examples]
    return [text.partition(": ")[2].partition("\n")[0] for text in texts]


def named(numbers):
    return dict(zip(NAMES, numbers.T, strict=True))


def test_after_the_true_source_a_token_agrees_if_it_is_the_one_that_stays(env):
    env.reset(options={"index": np.arange(0, 624, 39)})
    rows = np.flatnonzero(env.action_masks()[:, READ])
    sources = dict.fromkeys(whole_sources(env), 1.0)
    assert len(sources) == env.num_envs
    numbers = named(GuessReadings(env.actions, GivenSources(env.actions, sources)).of(env.actions))
    shares, stays = numbers["guess_agreement"][rows], stay_probabilities(env, rows)
    assert set(shares) == {0.0, 1.0}
    assert min(stays[shares == 1.0]) > 0.1
    assert max(stays[shares == 0.0]) < 0.5
    np.testing.assert_allclose(
        numbers["guess_probability"][rows][stays > 0.1], stays[stays > 0.1], 1e-3
    )
    np.testing.assert_array_equal(numbers["guess_lowest"], numbers["guess_probability"])
    np.testing.assert_array_equal(numbers["guess_next_word"], 1.0)


def test_two_sources_share_the_numbers_by_their_weights(env):
    env.reset(options={"index": np.arange(0, 624, 39)})
    row = int(np.flatnonzero(env.actions.num_source > 3)[0])
    words = whole_sources(env)[row].split()
    alone = [" ".join(words), " ".join([words[0], "money", *words[2:]])]
    numbers = {}
    for name, sources in {
        "first": {alone[0]: 1.0},
        "second": {alone[1]: 1.0},
        "both": {alone[0]: 0.75, alone[1]: 0.25},
    }.items():
        readings = GuessReadings(env.actions, GivenSources(env.actions, sources))
        numbers[name] = {
            key: values[row] for key, values in named(readings.of(env.actions)).items()
        }
    first, second, both = numbers["first"], numbers["second"], numbers["both"]
    assert first["guess_probability"] != second["guess_probability"]
    for key in ("guess_agreement", "guess_probability", "guess_end"):
        assert both[key] == pytest.approx(0.75 * first[key] + 0.25 * second[key], abs=1e-5)
    assert both["guess_lowest"] == pytest.approx(
        min(first["guess_lowest"], second["guess_lowest"]), abs=1e-5
    )
    assert both["guess_next_word"] == both["guess_first"] == 0.75


def test_numbers_are_bounded_found_once_and_constant_after_the_last_word(env):
    env.reset(options={"index": np.arange(16)})
    readings = GuessReadings(env.actions)
    first = readings.of(env.actions)
    assert first.min() >= 0.0
    assert first.max() <= 1.0
    again = GuessReadings(env.actions, GivenSources(env.actions, {})).of(env.actions)
    assert not np.array_equal(first, again)
    np.testing.assert_array_equal(readings.of(env.actions), first)
    for _ in range(int(env.actions.num_source.max())):
        env.step(np.full(env.num_envs, READ))
    is_read = env.actions.num_read >= env.actions.num_source
    np.testing.assert_array_equal(
        readings.of(env.actions)[is_read], np.tile([1, 1, 1, 0, 0, 1, 1], (is_read.sum(), 1))
    )
