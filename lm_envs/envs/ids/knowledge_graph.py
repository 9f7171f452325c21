"""`lm_envs/KnowledgeGraphQA-v0` by its page: a walk through a graph of facts."""

from typing import Any

from lm_envs.envs.single_env import LanguageEnv
from lm_envs.envs.vector_env import LanguageVectorEnv

DEFAULTS: dict[str, Any] = {
    "actions": {"kind": "choices", "scores": False},
    "observation": "embeddings",
}


class KnowledgeGraphQAEnv(LanguageEnv):
    """Answer a question by walking through a graph of facts.

    ## Description
    The graph holds facts about a hundred countries: capital, currency, language and others. The
    agent starts at the entity that the question names, follows relations, forward or back, and
    stops at the answer: for the capital of the country whose currency is baht, `currency of`,
    `capital`, `stop`.

    ## Action Space
    `Discrete(19)` (`actions="choices"`, the default): the relations, the same backwards, and to
    stop. A relation that the entity does not have leaves the walker in place; `action_masks()` and
    the observation say which it has.

    ## Observation Space
    `Box` float32 (`observation="embeddings"`, the default): mean word embedding of question and
    path times the square root of their length (D), embeddings of the last 4 tokens (4 D), each in
    units of its deviation; whether each line is open (19), the share of turns left. `"hidden"`
    shows the hidden state in place of the embeddings; `actions={"kind": "choices", "scores": True}`
    also the model's mean log-probability of each line in nats (19).

    ## Rewards
    `rewards={"correct": 1.0, "closeness": 0.5, "moves": -0.2}` by default: whether the walk stopped
    at the answer, how much of the way there it made good, and the share of `max_turns` it used.

    ## Starting State
    A question drawn from the split, at its first entity; `reset(options={"index": 3})` pins one.

    ## Episode End
    Terminates when the agent stops, or after `max_turns`. Truncates after `max_steps`.

    ## Information
    As in `lm_envs/NextWord-v0`: `prompt`, `text`, `logprob`; at the end `reference`, `ending` and
    `scores`.

    ## Arguments
    `model`, `device`, `dtype`, `cache_dtype`, `actions`, `observation`, `dense`, `max_steps`,
    `prompt_cache`, `render_mode` as in `LanguageVectorEnv`; `dataset`, `split`, `hops`,
    `max_turns`, `prompt_tokens`, `rewards` as in
    `lm_envs.tasks.knowledge_graph.KnowledgeGraphQA`.

    ## Vectorized environment
    `gymnasium.make_vec("lm_envs/KnowledgeGraphQA-v0", num_envs=64)` advances all rows in one batch;
    `autoreset_mode` is "next_step", "same_step" or "disabled".

    ## Version History
    * v0: first version.

    Example:
        >>> import gymnasium as gym
        >>> import lm_envs
        >>> env = gym.make("lm_envs/KnowledgeGraphQA-v0")
        >>> observation, info = env.reset(options={"index": 0})
        >>> print(info["prompt"])
        Question: What is the capital of Afghanistan?
        Path: Afghanistan
        Next:
        >>> observation, reward, terminated, truncated, info = env.step(0)
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - as LanguageVectorEnv
        super().__init__(task="knowledge_graph", **{**DEFAULTS, **arguments})


class KnowledgeGraphQAVectorEnv(LanguageVectorEnv):
    """`KnowledgeGraphQAEnv` with N rows."""

    def __init__(self, num_envs: int = 1, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(num_envs, task="knowledge_graph", **{**DEFAULTS, **arguments})
