"""The prompt that rules read."""

from agents.baselines.rules.prompts import own_prompt
from lm_envs.tasks.base import Example
from lm_envs.tasks.dialogue import Dialogue
from lm_envs.tasks.translation import Translation
from tests.tasks.helpers import embedded_tokenizer

TOKENIZER = embedded_tokenizer()


def test_rules_read_the_same_prompt_with_and_without_solved_examples():
    few = Translation(TOKENIZER, shots=2, prompt_tokens=160)
    none = Translation(TOKENIZER)
    assert "\n\n" in TOKENIZER.decode(few.example(0).prompt)
    assert own_prompt(few, few.example(0), TOKENIZER) == TOKENIZER.decode(none.example(0).prompt)


def test_other_prompts_are_read_as_they_are():
    task = Translation(TOKENIZER)
    own = task.example_of("Mine:")
    assert own_prompt(task, own, TOKENIZER) == "Mine:"
    dialogue = Dialogue(TOKENIZER)
    example: Example = dialogue.example(0)
    assert own_prompt(dialogue, example, TOKENIZER) == TOKENIZER.decode(example.prompt)
