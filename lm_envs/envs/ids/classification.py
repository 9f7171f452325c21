"""`lm_envs/Classification-v0`: its page and its defaults."""

from typing import Any

from lm_envs.envs.single_env import LanguageEnv
from lm_envs.envs.vector_env import LanguageVectorEnv


class ClassificationEnv(LanguageEnv):
    """Write the label of a text.

    Information, shared arguments and the vectorized environment: see `LanguageEnv`.

    ## Description
    A frozen model reads a text and the name of the label ("Topic:", "Language:", "Sentiment:"); the
    agent writes the label token by token, or chooses one of the labels.

    With `mode="sequential"` the text is classified while it is read (early classification): the
    first `first_words` words are shown, and as long as there are more the line "read" shows the
    next `read_words`. Any other line is the label and ends the episode. What reading costs depends
    on the text: a word is a larger share of a short one, and some texts tell their label early.

    ## Action Space
    `Discrete(16)` (`actions="top_k"`): action a writes the model's a-th most likely next token.
    With `actions="choices"`, `Discrete(C)`: action a writes the a-th of the C labels in
    alphabetical order; with `mode="sequential"`, `Discrete(C + 1)`: action C reads, and its mask is
    False when the text is complete. Reading then is a wrong label. Tokens read by writing "read",
    which `actions="vocabulary"` always can; the embedded model rarely has it among 16 candidates.

    ## Observation Space
    As in `lm_envs/NextWord-v0`, with and without choices.

    ## Rewards
    `rewards={"accuracy": 1.0}` by default. With `costs={"negative": {"positive": 5.0}}` and
    `rewards={"cost": -1.0}` each mistake has a cost of its own; those that `costs` does not
    contain cost 1. `columns={"cost": FIELD}` multiplies the cost of a mistake by a number of each
    text. With `mode="sequential"` the default is `{"accuracy": 1.0, "read": -0.3}`: 0.3 times the
    share of the text's words that were shown is lost, word by word.

    ## Starting State
    A text drawn from the dataset's split. `reset(options={"index": 3})` selects one,
    `{"prompt": ...}` sets all that the model reads, in the form of the example below, without a
    label; in the mode "whole" only.

    ## Episode End
    Terminates at the end token, at the end of the line, or when `max_new_tokens` are written; with
    choices after one line. With `mode="sequential"` the lines "read" do not end it. Truncates after
    `max_steps`.

    ## Arguments
    Those of `LanguageEnv`; `dataset`, `split`, `kind`, `mode`, `first_words`, `read_words`,
    `columns`, `costs`, `prompt_tokens`, `max_new_tokens`, `shots` and `rewards` as in
    `lm_envs.tasks.classification.Classification`.

    Example:
        >>> import gymnasium as gym
        >>> import lm_envs
        >>> env = gym.make("lm_envs/Classification-v0", kind="sentiment")
        >>> observation, info = env.reset(options={"index": 0})
        >>> print(info["prompt"])
        Text: The food was wonderful.
        Sentiment:
        >>> observation, reward, terminated, truncated, info = env.step(0)
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - as LanguageVectorEnv
        super().__init__(task="classification", **arguments)


class ClassificationVectorEnv(LanguageVectorEnv):
    """`ClassificationEnv` with N rows."""

    def __init__(self, num_envs: int = 1, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(num_envs, task="classification", **arguments)
