"""`lm_envs/NextWord-v0`: its page and its defaults."""

from typing import Any

from lm_envs.envs.single_env import LanguageEnv
from lm_envs.envs.vector_env import LanguageVectorEnv


class NextWordEnv(LanguageEnv):
    """Continue a passage of prose, one token at a time.

    Information, shared arguments and the vectorized environment: see `LanguageEnv`.

    ## Description
    A frozen model reads the beginning of a passage and proposes tokens that could come next; the
    agent chooses one of them, the model reads it and proposes again. Always choosing the most
    likely token leads to loops, and sampling leads away from the subject: a good policy lies
    between.

    ## Action Space
    `Discrete(16)` (`actions={"kind": "top_k", "k": 16}`): action a writes the model's a-th most
    likely next token, 0 being the most likely. The end token takes the last place where it is not
    among the k most likely. With `{"kind": "top_k", "k": 8, "copies": 8}` eight tokens of the
    prompt are candidates too, those with the largest weight of a pointer over the model's hidden
    states (`lm_envs.envs.actions.pointer`); all candidates are then ordered by likelihood. This is
    for answers from a context, names and paraphrases, whose tokens the model alone would not
    propose. `actions="vocabulary"` is `Discrete(V)`; `env.unwrapped.action_masks()` (bool; as
    `np.int8` for `action_space.sample(mask=...)`) marks the allowed tokens. `actions="embedding"`
    is a `Box` of points, of which the nearest candidate is written.

    ## Observation Space
    `Box(D + 3 K + 1,)` float32. The columns, by their name in
    `env.observation_space.columns` (of a batch `envs.single_observation_space.columns`):

    * `hidden` (D): the model's last hidden state.
    * `candidate_logprobs` (K): log-probability of each candidate, nats, clipped to [-30, 0].
    * `candidate_repeats` (K): 0 for a token that is new in the completion, 0.5 for a token of the
      completion, 1 for a pair of tokens of the completion.
    * `candidate_echoes` (K): 1 for a token of the prompt.
    * `pointer_shares` (K), only with `copies`: share of the pointer's weight, in [0, 1].
    * `candidate_axis_0` … (K each), only with `axes`: place among the token embeddings, along each
      of their leading principal components, in units of three deviations.
    * `budget_left` (1): share of the token budget that is left.

    With `actions="choices"`, in tasks that offer C lines, `Box(D + 2 C + 1,)`: `hidden`;
    `choice_logprobs` (C), the model's mean log-probability of each line, nats; `choice_enabled`
    (C), whether the line has an effect now; `turns_left` (1).

    `observation="embeddings"` shows the mean token embedding of the text and the embeddings of its
    last tokens in place of the hidden state, `"words"` which words it has, `"candidates"` leaves
    the hidden state out, `"tokens"` shows the token ids of the text.

    ## Rewards
    A weighted sum of scores of the completion, `rewards={"fluency": 1.0, "repetition": -1.0,
    "overlap": 0.5}` by default (`lm_envs.tasks.rewards.token_scores`). The reward of a step is by
    how much it raised the sum, so the rewards of an episode add up to the score of its completion;
    with `dense=False` the last step earns the whole sum. `gamma` takes the discount of an agent
    that has another one than 1 (see `LanguageEnv`).

    ## Starting State
    The first `prompt_tokens` tokens of a passage drawn from the dataset's split; with 0 only the
    end-of-text token (or the model's first tokens), after which any text may begin.
    `reset(options={"index": 3})` selects a passage, `{"prompt": "Once upon a time"}` sets a prompt.

    ## Episode End
    Terminates at the end token, or when `max_new_tokens` are written. Truncates when the model's
    context is full (only after a `prompt` longer than `prompt_tokens`) or after `max_steps`.
    `gymnasium.make(..., max_episode_steps=n)` wraps the environment in Gymnasium's `TimeLimit`,
    which truncates from outside: then there is no `ending`, there are no `scores`, and with
    `dense=False` there is no reward.

    ## Arguments
    Those of `LanguageEnv`; `dataset`, `split`, `column`, `prompt_tokens`, `max_new_tokens` and
    `rewards` as in `lm_envs.tasks.next_word.NextWord`.

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
