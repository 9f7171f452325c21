"""What rows have written."""

import numpy as np
import pytest

from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.model import loading
from lm_envs.tasks import TASKS
from lm_envs.tokenizer import Tokenizer
from tests.envs.helpers import make


@pytest.fixture
def buffer():
    """Two rows whose episodes have started from the first two examples of next words."""
    tokenizer = Tokenizer.from_folder(loading.locate("embedded"))
    task = TASKS["next_word"](tokenizer, max_new_tokens=6)
    made = EpisodeBuffer(2, task, tokenizer)
    for row in range(2):
        made.begin(row, task.example(row))
    return made


def write(buffer, row, text):
    for token in buffer.tokenizer.encode(text):
        tokens = np.full(2, token)
        buffer.write(np.array([row]), tokens)
        buffer.set_logprobs(np.array([row]), np.full(2, -1.0))


def test_written_tokens_extend_the_text_and_the_context_of_their_row_only(buffer):
    before = buffer.context_lengths.copy()
    write(buffer, 1, " and so")
    assert buffer.texts == ["", " and so"]
    assert (buffer.context_lengths - before).tolist() == [0, buffer.counts[1]]
    context = buffer.contexts_of(np.array([1]))[0]
    assert buffer.tokenizer.decode(context) == buffer.prompts[1] + " and so"
    assert buffer.completions.texts[1] == " and so"


def test_a_line_is_one_step(buffer):
    line = buffer.tokenizer.encode(" and so")
    buffer.write_line(0, line, np.full(len(line), -0.5))
    assert buffer.steps.tolist() == [1, 0]
    assert buffer.counts[0] == len(line)
    assert buffer.step_logprobs[0] == -0.5 * len(line)


def test_a_skipped_step_writes_nothing(buffer):
    write(buffer, 0, " and")
    count = buffer.counts[0]
    buffer.skip_step(np.array([0]))
    assert (buffer.counts[0], buffer.steps[0], buffer.step_logprobs[0]) == (count, count + 1, 0.0)


def test_rewards_are_differences_of_potentials(buffer):
    write(buffer, 0, " and")
    running = np.zeros(2, bool)
    first = buffer.shaped_rewards(np.array([0]), np.array([0.25, 0.75]), running, 1.0)
    second = buffer.shaped_rewards(np.array([0, 1]), np.array([1.0, 0.5]), running, 1.0)
    assert (first.tolist(), second.tolist()) == ([0.25, 0.0], [0.75, 0.5])
    assert buffer.transcript(0, {}).rewards.sum() == 1.0


def test_lines_are_kept_as_turns(buffer):
    write(buffer, 0, " one\n")
    buffer.end_turn(0)
    write(buffer, 0, " two")
    assert buffer.turns == [["one"], []]
    assert buffer.current_lines(np.array([0])) == [" two"]


def test_a_new_episode_forgets_the_one_before(buffer):
    write(buffer, 0, " and so")
    buffer.shaped_rewards(np.array([0]), np.array([1.0, 0.0]), np.zeros(2, bool), 1.0)
    buffer.end_turn(0)
    buffer.begin(0, buffer.examples[0])
    assert (buffer.texts[0], buffer.turns[0], buffer.counts[0]) == ("", [], 0)
    assert (buffer.potentials[0], buffer.line_starts[0]) == (0.0, 0)


def test_token_texts_of_a_transcript_join_to_its_text(buffer):
    write(buffer, 0, " 今天 and so")
    transcript = buffer.transcript(0, {})
    assert "".join(transcript.token_texts) == transcript.text
    assert len(transcript.token_texts) == len(transcript.tokens)


def test_rewards_of_an_earlier_episode_are_not_kept():
    """Regression: with dense=False only the last step's reward was written."""
    env = make(1, dense=False, max_new_tokens=3)
    for length in (2, 3):
        env.reset(options={"index": 3})
        for step in range(length):
            last = step == length - 1
            end = env.outputs.candidates[0].tolist().index(env.tokenizer.end_token)
            env.step(np.array([end if last and length == 2 else 1]))
    transcript = env.transcripts[0]
    assert transcript.rewards[:-1].tolist() == [0.0, 0.0]
    assert transcript.rewards.sum() == pytest.approx(transcript.scores["reward"])


def test_characters_of_several_tokens_appear_when_they_are_complete(buffer):
    bytes_of = buffer.tokenizer.token_bytes
    tokens = [bytes_of.index(bytes([code])) for code in "今é".encode()]
    texts = []
    for token in tokens:
        buffer.write(np.array([1]), np.full(2, token))
        buffer.set_logprobs(np.array([1]), np.full(2, -1.0))
        texts.append(buffer.texts[1])
    assert texts == ["", "", "今", "今", "今é"]
    buffer.rebuild_texts()
    assert buffer.texts == ["", "今é"]


def test_incomplete_character_does_not_reach_the_next_episode(buffer):
    first = buffer.tokenizer.token_bytes.index("今".encode()[:1])
    buffer.write(np.array([0]), np.full(2, first))
    buffer.begin(0, buffer.examples[0])
    write(buffer, 0, " and")
    assert buffer.texts[0] == " and"
