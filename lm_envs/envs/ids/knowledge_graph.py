"""`lm_envs/KnowledgeGraphQA-v0`: its page and its defaults."""

from typing import Any

from lm_envs.envs.single_env import LanguageEnv
from lm_envs.envs.vector_env import LanguageVectorEnv

DEFAULTS: dict[str, Any] = {
    "actions": {"kind": "choices", "scores": False},
    "observation": "embeddings",
}


class KnowledgeGraphQAEnv(LanguageEnv):
    """Answer a question by walking through a graph of facts.

    Information, shared arguments and the vectorized environment: see `LanguageEnv`.

    ## Description
    The graph contains facts about a hundred countries: capital, currency, language and others. The
    agent starts at the entity that the question names, follows relations, forward or backward, and
    stops at the answer: for the capital of the country whose currency is baht, `currency of`,
    `capital`, `stop`.

    Three arguments make it harder. `hops=[1, 2, 3]` adds links between countries (main neighbor,
    customer and supplier), so that chains pass through several: "What is the capital of the main
    customer of the country whose currency is drams?" `held_out="compositions"` gives each split
    chains of relations that no other split has; single relations are in training. With
    `wordings="varied"` each split names relations, and joins countries, in words of its own: "Look
    for the country that buys most from Denmark. Which climate does it have?"

    ## Action Space
    `Discrete(19)`, with three hops `Discrete(25)` (`actions="choices"`, the default): the
    relations, the same backward, and stop. A relation that the entity does not have leaves the
    agent where it is; `action_masks()` and the observation show which relations it has.

    ## Observation Space
    `Box` float32 (`observation="embeddings"`, the default): `text_mean` (D), the mean token
    embedding of question and path times the square root of their length; `last_tokens` (4 D), the
    embeddings of the last 4 tokens, each dimension in units of its deviation; `choice_enabled`
    (19); `turns_left` (1). `observation="hidden"` shows the hidden state in place of the
    embeddings. `actions={"kind": "choices", "scores": True}` adds `choice_logprobs` (19), nats.

    ## Rewards
    `rewards={"correct": 1.0, "closeness": 0.5, "moves": -0.2}` by default: whether the walk stopped
    at the answer, the share of the distance to the answer that it covered, and the share of
    `max_turns` that it used.

    ## Starting State
    A question drawn from the split, at its first entity; `reset(options={"index": 3})` selects one.

    ## Episode End
    Terminates when the agent stops, or after `max_turns`. Truncates after `max_steps`.

    ## Arguments
    Those of `LanguageEnv`; `dataset`, `split`, `hops`, `held_out`, `wordings`, `max_turns`,
    `prompt_tokens` and `rewards` as in `lm_envs.tasks.knowledge_graph.KnowledgeGraphQA`.

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
