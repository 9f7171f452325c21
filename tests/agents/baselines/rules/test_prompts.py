"""The prompt that rules read."""

from agents.baselines.rules.prompts import own_prompt, shown_prompt
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.tasks.dialogue import Dialogue
from lm_envs.tasks.translation import Translation
from tests.agents.explaining.agents import chat
from tests.tasks.helpers import embedded_tokenizer

TOKENIZER = embedded_tokenizer()


def buffer(task):
    return EpisodeBuffer(1, task, TOKENIZER)


def test_rules_read_the_same_prompt_with_and_without_solved_examples():
    few = Translation(TOKENIZER, shots=2, prompt_tokens=160)
    none = Translation(TOKENIZER)
    assert "\n\n" in TOKENIZER.decode(few.example(0).prompt)
    assert own_prompt(buffer(few), few.example(0)) == TOKENIZER.decode(none.example(0).prompt)


def test_a_rule_for_solved_examples_reads_them_too():
    task = Translation(TOKENIZER, shots=2, prompt_tokens=160)
    episodes = buffer(task)
    episodes.begin(0, task.example(0))
    assert shown_prompt(episodes, 0) == TOKENIZER.decode(task.example(0).prompt)


def test_other_prompts_are_read_as_they_are():
    task, dialogue = Translation(TOKENIZER), Dialogue(TOKENIZER)
    assert own_prompt(buffer(task), task.example_of("Mine:")) == "Mine:"
    example = dialogue.example(0)
    assert own_prompt(buffer(dialogue), example) == TOKENIZER.decode(example.prompt)


def test_rules_read_no_chat_template():
    """Regression: rules for dialogue and graph read the template around the prompt."""
    templated = chat(TOKENIZER)
    dialogue = Dialogue(templated)
    example = dialogue.example(0)
    episodes = EpisodeBuffer(1, dialogue, templated)
    text = own_prompt(episodes, example)
    assert text == TOKENIZER.decode(Dialogue(TOKENIZER).example(0).prompt)
    assert text != templated.decode(example.prompt)
