"""`lm_envs/Translation-v0`: its page and its defaults."""

from typing import Any

from lm_envs.envs.single_env import LanguageEnv
from lm_envs.envs.vector_env import LanguageVectorEnv


class TranslationEnv(LanguageEnv):
    """Translate from English.

    Information, shared arguments and the vectorized environment: see `LanguageEnv`.

    ## Description
    A frozen model reads an English text; the agent writes it in French or Chinese token by token,
    or chooses one of four translations. The embedded pairs range from single terms to sentences.

    With `mode="simultaneous"` the source is revealed word by word, as to an interpreter. The first
    word is read at the start; the translation cannot end before the whole source is read; after
    that, reading has the effect of writing.

    ## Action Space
    `Discrete(16)` (`actions="top_k"`): action a writes the model's a-th most likely next token.
    With `actions="choices"`, `Discrete(4)`: action a writes the a-th of four texts, one of which is
    the translation. With `mode="simultaneous"`, `Discrete(2)`: 0 reads the next source word, 1
    writes the model's most likely next token after the words read and the tokens written.

    ## Observation Space
    As in `lm_envs/NextWord-v0`, with and without choices. With `mode="simultaneous"`
    `Box(D + 16,)`: `hidden` (D), the columns of 4 candidates (12), `source_left`, the share of the
    source that is left, `free_reads` (2), the source words that can be read without a larger
    `differentiable_lagging` if each target token is worth half a source word or one, and
    `budget_left`, the share of the token budget that is left.

    ## Rewards
    `rewards={"chrf": 1.0, "bleu": 0.0, "exact_match": 0.0}` by default: similarity to the
    translation; scores of weight 0 are logged only. The reward of a step is by how much it raised
    the sum. With `mode="simultaneous"` also `"differentiable_lagging": -0.05`: how far the
    translation lags behind the source, in source words, 1 or more, so that running ahead is no
    gain; and `"lagging": 0.0`, the average lagging, which can be negative
    (`lm_envs.tasks.rewards.lagging`).

    ## Starting State
    A pair drawn from the dataset's split. `reset(options={"index": 3})` selects one,
    `{"prompt": ...}` sets all that the model reads, in the form of the example below, without a
    translation.

    ## Episode End
    Terminates at the end token, at the end of the line, or when `max_new_tokens` are written; with
    choices after one line. Truncates after `max_steps`.

    ## Arguments
    Those of `LanguageEnv`; `dataset`, `split`, `pair`, `kind`, `mode`, `columns`, `prompt_tokens`,
    `max_new_tokens`, `shots` and `rewards` as in `lm_envs.tasks.translation.Translation`.

    Example:
        >>> import gymnasium as gym
        >>> import lm_envs
        >>> env = gym.make("lm_envs/Translation-v0")
        >>> observation, info = env.reset(options={"index": 0})
        >>> print(info["prompt"])
        English: Thursday, January 18, 1900
        French:
        >>> observation, reward, terminated, truncated, info = env.step(0)
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - as LanguageVectorEnv
        super().__init__(task="translation", **_with_actions(arguments))


class TranslationVectorEnv(LanguageVectorEnv):
    """`TranslationEnv` with N rows."""

    def __init__(self, num_envs: int = 1, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(num_envs, task="translation", **_with_actions(arguments))


def _with_actions(arguments: dict[str, Any]) -> dict[str, Any]:
    is_simultaneous = arguments.get("mode") == "simultaneous"
    return ({"actions": "read_write"} if is_simultaneous else {}) | arguments
