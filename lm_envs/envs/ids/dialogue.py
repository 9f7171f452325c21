"""`lm_envs/Dialogue-v0`: its page and its defaults."""

from typing import Any

from lm_envs.envs.single_env import LanguageEnv
from lm_envs.envs.vector_env import LanguageVectorEnv

DEFAULTS: dict[str, Any] = {"actions": {"kind": "choices", "scores": False}}


class DialogueEnv(LanguageEnv):
    """Serve a customer of a shop in several turns.

    Information, shared arguments and the vectorized environment: see `LanguageEnv`.

    ## Description
    A scripted customer has a wish, such as to return an item or to know the opening hours. The
    agent has to ask for the details that it needs, such as an order number or a city, and then to
    grant the wish with every detail right. The customer replies to what it recognizes.

    With `customers="varied"` each customer has a mood and limited patience, may give details before
    they are asked for, may leave the wish open, and may give a mistaken detail. Only the wording
    shows that, and each split has wordings of its own. A hurried customer often does not answer a
    polite line, a formal one a short line; an easy one tells a polite agent more. The agent may
    also ask what it is about, and whether a detail is right; a mistaken grant ends the episode.
    `customers={"kind": "varied", "seed": 1, "size": 12000}` draws another population, with the same
    wordings in each split.

    ## Action Space
    `Discrete(18)` (`actions="choices"`, the default): each question and each way to grant a wish,
    short and polite, with the details that the customer has given so far. With `actions="top_k"`
    the agent writes its lines token by token. Varied customers: `Discrete(22)`.

    ## Observation Space
    `Box(D + 19,)` float32: `hidden` (D), `choice_enabled` (18), `turns_left` (1), as in
    `lm_envs/NextWord-v0`. `actions={"kind": "choices", "scores": True}` adds `choice_logprobs`
    (18), which takes time to compute. `{"kind": "choices", "scores": False, "reads": False}` with
    `observation="words"` needs no model at all and is several times faster.

    ## Rewards
    `rewards={"completed": 1.0, "turns": -0.3, "politeness": 0.2}` by default: whether the wish was
    granted, the share of `max_turns` that was used, the share of polite turns. Varied customers:
    `{"completed": 1.0, "turns": -0.4, "politeness": 0.0}`.

    ## Starting State
    A customer drawn from the split; `reset(options={"index": 3})` selects one.

    ## Episode End
    Terminates when the wish is granted, when a varied customer leaves, after `max_turns`, at the
    end token, or when `max_new_tokens` are written. Truncates after `max_steps`. The model reads
    only the end of a conversation that is longer than its context.

    ## Arguments
    Those of `LanguageEnv`; `split`, `customers`, `wishes`, `max_turns`, `max_new_tokens` and
    `rewards` as in `lm_envs.tasks.dialogue.Dialogue`.

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
