"""`lm_envs/Dialogue-v0` by its page: a customer to be served."""

from typing import Any

from lm_envs.envs.single_env import LanguageEnv
from lm_envs.envs.vector_env import LanguageVectorEnv

DEFAULTS: dict[str, Any] = {"actions": {"kind": "choices", "scores": False}}


class DialogueEnv(LanguageEnv):
    """Serve a customer of a shop, over several turns.

    ## Description
    A scripted customer wants something: to return an item, to know when the shop opens. The agent
    has to ask for what it needs to know, an order number or a city, and then grant the wish with
    every detail right. The customer answers what they understand.

    ## Action Space
    `Discrete(18)` (`actions="choices"`, the default): every question and every grant, curtly and
    politely, with the details told so far. `actions="top_k"`: the agent writes its lines word by
    word.

    ## Observation Space
    `Box(D + 19,)` float32: the hidden state (D), whether each line is open (18), the share of turns
    left. `actions={"kind": "choices", "scores": True}` shows the model's mean log-probability of
    each line too, in nats (18), which takes time.

    ## Rewards
    `rewards={"completed": 1.0, "turns": -0.3, "politeness": 0.2}` by default: whether the wish was
    granted, the share of `max_turns` that was used, the share of polite turns.

    ## Starting State
    A customer drawn from the split; `reset(options={"index": 3})` pins one.

    ## Episode End
    Terminates when the customer is content, after `max_turns`, at the end of text, or when
    `max_new_tokens` are written. Truncates after `max_steps`. Of a conversation longer
    than the model's context only the end is read.

    ## Information
    As in `lm_envs/NextWord-v0`: `prompt`, `text`, `logprob`; at the end `reference`, `ending` and
    `scores`.

    ## Arguments
    `model`, `device`, `dtype`, `cache_dtype`, `actions`, `observation`, `dense`, `max_steps`,
    `prompt_cache`, `render_mode` as in `LanguageVectorEnv`; `split`, `wishes`, `max_turns`,
    `max_new_tokens`, `rewards` as in `lm_envs.tasks.dialogue.Dialogue`.

    ## Vectorized environment
    `gymnasium.make_vec("lm_envs/Dialogue-v0", num_envs=64)` advances all rows in one batch;
    `autoreset_mode` is "next_step", "same_step" or "disabled".

    ## Version History
    * v0: first version.

    Example:
        >>> import gymnasium as gym
        >>> import lm_envs
        >>> env = gym.make("lm_envs/Dialogue-v0")
        >>> observation, info = env.reset(options={"index": 0})
        >>> print(info["prompt"])
        Customer: I want to return a lamp.
        Agent:
        >>> observation, reward, terminated, truncated, info = env.step(0)
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - as LanguageVectorEnv
        super().__init__(task="dialogue", **{**DEFAULTS, **arguments})


class DialogueVectorEnv(LanguageVectorEnv):
    """`DialogueEnv` with N rows."""

    def __init__(self, num_envs: int = 1, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(num_envs, task="dialogue", **{**DEFAULTS, **arguments})
