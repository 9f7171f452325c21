"""`lm_envs/Translation-v0` by its page: English to French or Chinese."""

from typing import Any

from lm_envs.envs.single_env import LanguageEnv
from lm_envs.envs.vector_env import LanguageVectorEnv


class TranslationEnv(LanguageEnv):
    """Translate from English.

    ## Description
    A frozen GPT-2 reads an English text and is to write it in French or Chinese; the agent chooses
    each word, or one of four translations. The embedded pairs reach from single terms to sentences.

    ## Action Space
    `Discrete(16)` (`actions="top_k"`): action a writes the model's a-th best next token. With
    `actions="choices"`, `Discrete(4)`: action a writes the a-th of four texts, one of them the
    translation.

    With `mode="simultaneous"` the text is heard word by word, as an interpreter hears it, and
    `Discrete(2)`: 0 hears the next word, 1 writes the model's likeliest next token after what was
    heard and written. The first word is heard at the start; until all was heard, the translation
    does not end; after that, to hear is to write.

    ## Observation Space
    As in `lm_envs/NextWord-v0`; with choices `Box(D + 2 C + 1,)`: the hidden state (D), the model's
    mean log-probability of each line in nats (C), whether each is open (C), share of turns left.
    With `mode="simultaneous"` `Box(D + 14,)`: the hidden state, log-probability, repeat and echo of
    4 candidates (12), the shares of the source not yet heard and of the budget.

    ## Rewards
    `rewards={"chrf": 1.0, "bleu": 0.0, "exact_match": 0.0}` by default: likeness to the
    translation; the scores of weight 0 are reported and not paid. Each step pays how far it raised
    the sum. With `mode="simultaneous"` also `"lagging": -0.05`: the average lagging behind the
    speaker, in source words (`lm_envs.tasks.rewards.lagging`).

    ## Starting State
    A pair drawn from the dataset's split. `reset(options={"index": 3})` pins one, `{"prompt": ...}`
    gives another text, without a translation.

    ## Episode End
    Terminates at the end of text, at the end of the line, or when `max_new_tokens` are written;
    with choices after one line. Truncates after `max_steps`.

    ## Information
    As in `lm_envs/NextWord-v0`: `prompt`, `text`, `logprob`; at the end `reference`, `ending` and
    `scores`.

    ## Arguments
    `model`, `device`, `dtype`, `cache_dtype`, `actions`, `observation`, `dense`, `max_steps`,
    `prompt_cache`, `render_mode` as in `LanguageVectorEnv`; `dataset`, `split`, `pair`, `kind`,
    `mode`, `columns`, `prompt_tokens`, `max_new_tokens`, `rewards` as in
    `lm_envs.tasks.translation.Translation`.

    ## Vectorized environment
    `gymnasium.make_vec("lm_envs/Translation-v0", num_envs=64)` advances all rows in one batch;
    `autoreset_mode` is "next_step", "same_step" or "disabled".

    ## Version History
    * v0: first version.

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
