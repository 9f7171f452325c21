"""`lm_envs/Paraphrase-v0`: its page and its defaults."""

from typing import Any

from lm_envs.envs.single_env import LanguageEnv
from lm_envs.envs.vector_env import LanguageVectorEnv


class ParaphraseEnv(LanguageEnv):
    """Express a sentence in other words.

    Information, shared arguments and the vectorized environment: see `LanguageEnv`.

    ## Description
    A frozen model reads a sentence; the agent writes a paraphrase token by token, or chooses one of
    four sentences. The embedded pairs, English and Chinese, were made for this library by rules
    with slots for words. In another split the words are others; with `held_out="rules"` the rules
    are, so that a new form has to be read off the solved examples that `shots` shows.

    ## Action Space
    `Discrete(16)` (`actions="top_k"`): action a writes the model's a-th most likely next token.
    With `actions="choices"`, `Discrete(4)`: action a writes the a-th of four sentences, one of
    which is the target.

    ## Observation Space
    As in `lm_envs/NextWord-v0`, with and without choices.

    ## Rewards
    `rewards={"chrf": 1.0, "exact_match": 0.0}` by default: similarity to the target; whether the
    completion is the target is logged only. With `{"cross_entropy": 1.0}` the target's
    cross-entropy under the completion (`lm_envs.tasks.rewards.model_scores`). The reward of a step
    is by how much it raised the sum.

    ## Starting State
    A pair drawn from the dataset's split. `reset(options={"index": 3})` selects one,
    `{"prompt": ...}` sets all that the model reads, in the form of the example below, without a
    target.

    ## Episode End
    Terminates at the end token, at the end of the line, or when `max_new_tokens` are written; with
    choices after one line. Truncates after `max_steps`.

    ## Arguments
    Those of `LanguageEnv`; `dataset`, `split`, `columns`, `language`, `held_out`, `prompt_tokens`,
    `max_new_tokens`, `shots` and `rewards` as in `lm_envs.tasks.paraphrase.Paraphrase`.

    Example:
        >>> import gymnasium as gym
        >>> import lm_envs
        >>> env = gym.make("lm_envs/Paraphrase-v0")
        >>> observation, info = env.reset(options={"index": 0})
        >>> print(info["prompt"])
        Text: The weather is nice this morning.
        Paraphrase:
        >>> observation, reward, terminated, truncated, info = env.step(0)
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - as LanguageVectorEnv
        super().__init__(task="paraphrase", **arguments)


class ParaphraseVectorEnv(LanguageVectorEnv):
    """`ParaphraseEnv` with N rows."""

    def __init__(self, num_envs: int = 1, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(num_envs, task="paraphrase", **arguments)
