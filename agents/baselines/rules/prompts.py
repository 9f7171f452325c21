"""The prompt of an example as its task made it: what rules read. Knows no rule."""

from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.tasks.base import Example
from lm_envs.tasks.completion import CompletionTask


def own_prompt(episodes: EpisodeBuffer, example: Example) -> str:
    """Returns the prompt of an example, without the solved examples that may stand before it."""
    if isinstance(episodes.task, CompletionTask) and example.index >= 0:
        return episodes.task.item(example).prompt
    return episodes.prompt_text(example)


def shown_prompt(episodes: EpisodeBuffer, row: int) -> str:
    """Returns the prompt of a row with the solved examples before it."""
    return episodes.prompt_text(episodes.examples[row])
