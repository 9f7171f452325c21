"""`lm_envs/Paraphrase-v0` by its page: the same in other words."""

from typing import Any

from lm_envs.envs.single_env import LanguageEnv
from lm_envs.envs.vector_env import LanguageVectorEnv


class ParaphraseEnv(LanguageEnv):
    """Write a sentence in other words.

    ## Description
    A frozen GPT-2 reads a sentence and is to write the same in other words; the agent chooses each
    word, or one of four sentences. Pairs are English and Chinese, of our own making.

    ## Action Space
    `Discrete(16)` (`actions="top_k"`): action a writes the model's a-th best next token. With
    `actions="choices"`, `Discrete(4)`: action a writes the a-th of four sentences, one of them the
    target.

    ## Observation Space
    As in `lm_envs/NextWord-v0`; with choices `Box(D + 2 C + 1,)`: the hidden state (D), the model's
    mean log-probability of each line in nats (C), whether each is open (C), share of turns left.

    ## Rewards
    `rewards={"chrf": 1.0, "exact_match": 0.0}` by default: likeness to the target, and whether it
    is the target, which is reported and not paid. `{"cross_entropy": 1.0}` pays how well the model
    can write the target from the draft. Each step pays how far it raised the sum.

    ## Starting State
    A pair drawn from the dataset's split. `reset(options={"index": 3})` pins one, `{"prompt": ...}`
    gives another text, without a target.

    ## Episode End
    Terminates at the end of text, at the end of the line, or when `max_new_tokens` are written;
    with choices after one line. Truncates after `max_steps`.

    ## Information
    As in `lm_envs/NextWord-v0`: `prompt`, `text`, `logprob`; at the end `reference`, `ending` and
    `scores`.

    ## Arguments
    `model`, `device`, `dtype`, `cache_dtype`, `actions`, `observation`, `dense`, `max_steps`,
    `prompt_cache`, `render_mode` as in `LanguageVectorEnv`; `dataset`, `split`, `columns`,
    `language`, `prompt_tokens`, `max_new_tokens`, `rewards` as in
    `lm_envs.tasks.paraphrase.Paraphrase`.

    ## Vectorized environment
    `gymnasium.make_vec("lm_envs/Paraphrase-v0", num_envs=64)` advances all rows in one batch;
    `autoreset_mode` is "next_step", "same_step" or "disabled".

    ## Version History
    * v0: first version.

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
