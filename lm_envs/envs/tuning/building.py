"""Builds what a tuned environment needs from its arguments: the network and its passages.

Knows nothing of tuners or episodes.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from lm_envs.envs.factory import check_fit, load_model, load_tokenizer, make_task
from lm_envs.envs.tuning.passages import PassageGroups
from lm_envs.model import loading
from lm_envs.model.base import LanguageModel
from lm_envs.tasks import TaskSpec
from lm_envs.tasks.base import required_actions
from lm_envs.validation import check_count, check_types, path_as_text

REFUSED = ("rewards", "costs")
"""Arguments of tasks that set a reward: here the reward is the loss."""


def build(
    task: TaskSpec,
    passages: int,
    options: Mapping[str, Any],
    chat: tuple[bool, str | None, str | None],
    model: str,
    device: str,
    dtype: str,
    deterministic: bool,
) -> tuple[LanguageModel, Callable[..., PassageGroups]]:
    """Returns the model that is adjusted, and what makes the passages that it is evaluated on.

    Raises:
        UnexpectedArgumentError: If the task has no such argument.
        ValueError: If an argument is not allowed; the message names the allowed values.
    """
    model = path_as_text(model)
    check_types(build, {"model": model, "device": device, "dtype": dtype})
    check_count("passages", passages)
    folder = loading.locate(model)
    tokenizer = load_tokenizer(folder, *chat)
    made, name = make_task(task, tokenizer, options, REFUSED)
    if made.max_turns != 1:
        raise ValueError(
            f"Got task={name!r}, which has several turns; allowed: tasks whose prompt and reference"
            " are one text, such as 'question_answering' or 'next_word'."
        )
    if required_actions(made):
        raise ValueError("Got mode='simultaneous'; passages are read whole: leave it out.")
    network = load_model(folder, tokenizer, device, dtype, deterministic)
    check_fit(network, tokenizer, made.context_tokens, model)
    title = f"{name.replace('_', ' ')}, {options.get('split', 'train')}"
    return network, partial(PassageGroups, tokenizer, made, passages, title)
