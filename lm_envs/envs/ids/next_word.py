"""`lm_envs/NextWord-v0` by its page: the two faces of the next-word task."""

from typing import Any

from lm_envs.envs.single_env import LanguageEnv
from lm_envs.envs.vector_env import LanguageVectorEnv


class NextWordEnv(LanguageEnv):
    """Continue a passage of prose, one word at a time.

    ## Description
    A frozen GPT-2 reads the beginning of a passage and proposes the words that could come next; the
    agent chooses one of them. The model reads it, proposes again, and so on. Always taking the
    first proposal loops, sampling drifts: the agent has to find the way between.

    ## Action Space
    `Discrete(16)` (`actions={"kind": "top_k", "k": 16}`): action a writes the model's a-th best
    next token, 0 being the most likely. The end of text stands last where it is not among the best.
    With `{"kind": "top_k", "k": 8, "copies": 8}` eight words of the prompt are offered beside them,
    those to which a pointer over the model's hidden states points (`lm_envs.envs.actions.pointer`), and all
    stand by likelihood: for questions on a context, names and paraphrases, where words have to be
    copied that the model would not propose. `actions="vocabulary"` is `Discrete(V)`, with
    `action_masks()`; `actions="embedding"` is a `Box` of points whose nearest candidate is written.

    ## Observation Space
    `Box(D + 3 K + 1,)` float32: the model's last hidden state (D); the log-probability of each of
    the K candidates in nats, clipped to [-30, 0]; whether each candidate would repeat the draft (0
    a new word, 0.5 a word of the draft, 1 a pair of words of the draft); whether it is a word of
    the prompt; with `copies` how much of the pointer's weight it has, in [0, 1] (K more); the share
    of the token budget left. `observation="embeddings"` shows the mean word embedding of the text
    and those of its last words in place of the hidden state, `"candidates"` nothing in its place,
    `"tokens"` the ids of the text.

    ## Rewards
    A weighted sum of scores of the text written, `rewards={"fluency": 1.0, "repetition": -1.0,
    "overlap": 0.5}` by default (`lm_envs.tasks.rewards.token_scores`). Each step pays how far it raised the sum,
    so an episode's rewards add up to the value of its text; with `dense=False` the last step pays
    it all.

    ## Starting State
    The first `prompt_tokens` tokens of a passage drawn from the dataset's split.
    `reset(options={"index": 3})` pins a passage, `{"prompt": "Once upon a time"}` a text.

    ## Episode End
    Terminates at the end of text, or when `max_new_tokens` are written. Truncates when the model's
    context is full (only with a pinned prompt longer than `prompt_tokens`) or after `max_steps`.
    `gymnasium.make(..., max_episode_steps=n)` wraps the environment in Gymnasium's `TimeLimit`,
    which cuts from outside: no `ending` and no `scores`, and no reward with `dense=False`.

    ## Information
    `reset`: `prompt`. Every step: `text` so far and `logprob` of the word just written, nats. At
    the end also `prompt`, `reference`, `ending`, and `scores`: every component and their weighted
    sum `reward`.

    ## Arguments
    `model`, `device`, `dtype`, `cache_dtype`, `actions`, `observation`, `dense`, `max_steps`,
    `prompt_cache`, `render_mode` as in `LanguageVectorEnv`; `dataset`, `split`, `column`,
    `prompt_tokens`, `max_new_tokens`, `rewards` as in `lm_envs.tasks.next_word.NextWord`.

    ## Vectorized environment
    `gymnasium.make_vec("lm_envs/NextWord-v0", num_envs=64)` advances all rows in one batch;
    `autoreset_mode` is "next_step", "same_step" or "disabled".

    ## Version History
    * v0: first version.

    Example:
        >>> import gymnasium as gym
        >>> import lm_envs
        >>> env = gym.make("lm_envs/NextWord-v0", max_new_tokens=4)
        >>> observation, info = env.reset(seed=0)
        >>> observation, reward, terminated, truncated, info = env.step(0)
        >>> sorted(info)
        ['logprob', 'text']
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - as LanguageVectorEnv
        super().__init__(task="next_word", **arguments)


class NextWordVectorEnv(LanguageVectorEnv):
    """`NextWordEnv` with N rows."""

    def __init__(self, num_envs: int = 1, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(num_envs, task="next_word", **arguments)
