"""`lm_envs/Classification-v0` by its page: the label, written as a word."""

from typing import Any

from lm_envs.envs.single_env import LanguageEnv
from lm_envs.envs.vector_env import LanguageVectorEnv


class ClassificationEnv(LanguageEnv):
    """Write the label of a text.

    ## Description
    A frozen GPT-2 reads a text and the word for what is asked ("Topic:", "Language:",
    "Sentiment:"); the agent writes the label by choosing each word, or chooses a label.

    ## Action Space
    `Discrete(16)` (`actions="top_k"`): action a writes the model's a-th best next token. With
    `actions="choices"`, `Discrete(C)`: action a writes the a-th of the C labels in alphabetical
    order.

    ## Observation Space
    As in `lm_envs/NextWord-v0`; with choices `Box(D + 2 C + 1,)`: the hidden state (D), the model's
    mean log-probability of each line in nats (C), whether each is open (C), share of turns left.

    ## Rewards
    `rewards={"accuracy": 1.0}` by default. With `costs={"negative": {"positive": 5.0}}` and
    `rewards={"cost": -1.0}` each mistake is paid what it costs; 1 where `costs` says nothing.

    ## Starting State
    A text drawn from the dataset's split. `reset(options={"index": 3})` pins one, `{"prompt": ...}`
    gives another text, without a label.

    ## Episode End
    Terminates at the end of text, at the end of the line, or when `max_new_tokens` are written;
    with choices after one line. Truncates after `max_steps`.

    ## Information
    As in `lm_envs/NextWord-v0`: `prompt`, `text`, `logprob`; at the end `reference`, `ending` and
    `scores`.

    ## Arguments
    `model`, `device`, `dtype`, `cache_dtype`, `actions`, `observation`, `dense`, `max_steps`,
    `prompt_cache`, `render_mode` as in `LanguageVectorEnv`; `dataset`, `split`, `kind`,
    `columns`, `costs`, `prompt_tokens`, `max_new_tokens`, `rewards` as in
    `lm_envs.tasks.classification.Classification`.

    ## Vectorized environment
    `gymnasium.make_vec("lm_envs/Classification-v0", num_envs=64)` advances all rows in one batch;
    `autoreset_mode` is "next_step", "same_step" or "disabled".

    ## Version History
    * v0: first version.

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
