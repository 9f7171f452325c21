"""`lm_envs/CacheEviction-v0`: choose what a KV cache of fixed size keeps."""

from typing import Any

from lm_envs.envs.factory import load_tokenizer
from lm_envs.envs.single_env import RowEnv
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.eviction import EvictionTuner
from lm_envs.validation import check_count

NEXT_WORD = {"prompt_tokens": 16, "max_new_tokens": 112}
"""Arguments of next words; other tasks keep their own defaults, which fit their examples."""


class CacheEvictionVectorEnv(TuningVectorEnv):
    """`CacheEvictionEnv` with N rows.

    Args:
        num_envs: N.
        cache_size: C, entries of each row's cache.
        by_head: Whether observations show the attention of each head, too.
        task: A task of one turn; an example's prompt and reference are a text.
        prompt_tokens: As in the task: the tokens after the prompt count. None for 16 of next words,
            and for the default of any other task.
        max_new_tokens: As in the task; None for 112 of next words, as above.
        adjustments: Most tokens that are read after the first C.
        arguments: Of `TuningVectorEnv`, such as `model`, `split` and `group_size`; `passages` is 1.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        cache_size: int = 24,
        by_head: bool = False,
        task: str = "next_word",
        prompt_tokens: int | None = None,
        max_new_tokens: int | None = None,
        adjustments: int = 128,
        **arguments: Any,  # noqa: ANN401 - of TuningVectorEnv
    ) -> None:
        check_count("cache_size", cache_size, least=2)
        if "passages" in arguments:
            raise ValueError(
                f"Got passages={arguments['passages']!r} for evictions, where an episode reads one "
                "text; leave it out."
            )
        given = {"prompt_tokens": prompt_tokens, "max_new_tokens": max_new_tokens}
        limits = dict(NEXT_WORD) if task == "next_word" else {}
        limits |= {name: limit for name, limit in given.items() if limit is not None}
        super().__init__(
            num_envs,
            lambda model, folder: EvictionTuner(
                num_envs, model, load_tokenizer(folder, False, None, None), cache_size, by_head
            ),
            task=task,
            passages=1,
            adjustments=adjustments,
            **limits,
            **arguments,
        )


class CacheEvictionEnv(RowEnv):
    """Choose which token leaves a full KV cache, so that the model still predicts the text.

    Passages, information, shared arguments and the vectorized environment: see `TuningVectorEnv`.

    ## Description
    A model reads a text token by token with a KV cache of C entries, each the keys and values of
    one token in all layers. When the cache is full, the agent evicts an entry, and the next token
    takes its place. The model never sees an evicted token again, and what the text will need is not
    known yet. Trained models attend to the very first token of any text: without it they fail.

    ## Action Space
    `Discrete(24)`, or `Discrete(C)` of another `cache_size`: entries by the age of their tokens. 0
    evicts the oldest, C - 1 the one that was read last.

    ## Observation Space
    `Box(194,)`, or `Box(8 C + 2,)`. Of each entry from the oldest to the newest: `log_age` and
    `log_position` in the text, as the logarithm of 1 plus a number of tokens; `surprise`, how
    unlikely the token was, nats; and as logarithms the share of attention that it got:
    `log_attention` from the last token, mean over all heads; `log_peak_attention`, from the head
    that paid most; `log_recent_attention` and `log_recent_peak`, where a token counts 0.9 times as
    much with each one after it; `log_mean_attention`, on average since it was read. Then
    `next_surprise`, of the token that is read next, and `budget_left`.

    With `by_head=True`, `log_head_attention` before `next_surprise`: `log_recent_attention` of each
    of the H heads of all layers apart, C numbers a head; `Box((8 + H) C + 2,)`.

    ## Rewards
    The log-probability of the token after the one that was read, less the same with the whole
    context, nats: 0 if nothing is lost. Tokens of the prompt do not count.

    ## Starting State
    The first C tokens of an example's text, which see each other.

    ## Episode End
    Terminates when the text has been read, and after `adjustments` steps. Truncates after
    `max_steps`.

    ## Arguments
    Those of `TuningVectorEnv`, but `passages`; `cache_size` and `by_head`; those of the task, of
    next words by default `prompt_tokens=16` and `max_new_tokens=112`. `scores`: `reward`, `loss`
    and `loss_rise`, nats a token. Texts of fewer than C + 2 tokens are left out, with a warning.

    Sources: a window with the first tokens, Xiao et al. 2023, https://arxiv.org/abs/2309.17453;
    eviction as reinforcement learning, Moschella et al. 2026, https://arxiv.org/abs/2602.10238.

    Example:
        >>> import gymnasium as gym
        >>> import lm_envs
        >>> env = gym.make("lm_envs/CacheEviction-v0", split="validation")
        >>> observation, info = env.reset(options={"index": 0})
        >>> observation, reward, terminated, truncated, info = env.step(0)
        >>> print(info["text"].split(":")[0])
        without 'For'
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - as CacheEvictionVectorEnv
        super().__init__(CacheEvictionVectorEnv, **arguments)
