"""`lm_envs/LiveSubtitles-v0`: its page and its defaults."""

from typing import Any

from lm_envs.envs.single_env import LanguageEnv
from lm_envs.envs.vector_env import LanguageVectorEnv

DEFAULTS: dict[str, Any] = {"actions": "show_words"}


class LiveSubtitlesEnv(LanguageEnv):
    """Show or leave out each word that is spoken, so that readers can follow.

    Information, shared arguments and the vectorized environment: see `LanguageEnv`.

    ## Description
    A passage of prose is spoken word by word, faster than it can be read as subtitles: by default
    readers need the time of 10 spoken words for 7 shown ones. The agent observes each word, and one
    more ahead of it, and decides at once whether the word is shown. What is shown stays: the model
    reads it, and the words that were shown before decide how well the next one goes on. Rare words
    carry more information than frequent ones; shown words that cannot be read yet wait.

    ## Action Space
    `Discrete(2)` (`actions="show_words"`, the only kind): 0 leaves the present word out, 1 shows
    it. `{"kind": "show_words", "ahead": 3}` observes three words ahead.

    ## Observation Space
    `Box(3 D + 13,)` float32: `hidden` (D), the model's state after what was shown; then, of the
    present and the next word (H = 2), `word_embeddings` (H D), `word_information` (H) and
    `word_tokens` (H); `word_logprobs` (3), `recently_shown` (3), `waiting` (1), `shown_share` (1),
    `words_left` (1), as in `lm_envs.envs.observations.upcoming_words.UpcomingWords`. With
    `observation="candidates"` the hidden state is left out.

    ## Rewards
    `rewards={"content": 1.0, "fluency": 1.5, "waiting": -0.15}` by default: the share of the words'
    information that is shown, the fluency of what is shown, and how many words wait to be read, on
    average. The reward of a step is by how much it raised the sum.

    ## Starting State
    A part of a passage drawn from the split, 32 words by default, after the 12 words before it;
    `reset(options={"index": 3})` selects one.

    ## Episode End
    Terminates after the last spoken word. Truncates after `max_steps`.

    ## Arguments
    Those of `LanguageEnv`; `dataset`, `split`, `column`, `context_words`, `spoken_words`,
    `stride`, `reading_speed`, `prompt_tokens`, `max_new_tokens` and `rewards` as in
    `lm_envs.tasks.subtitles.task.LiveSubtitles`.

    Example:
        >>> import gymnasium as gym
        >>> import lm_envs
        >>> env = gym.make("lm_envs/LiveSubtitles-v0")
        >>> observation, info = env.reset(options={"index": 0})
        >>> print(info["prompt"])
        At the outgoing of the old and the incoming of the new
        >>> observation, reward, terminated, truncated, info = env.step(1)
        >>> print(info["text"])
         century
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - as LanguageVectorEnv
        super().__init__(task="live_subtitles", **{**DEFAULTS, **arguments})


class LiveSubtitlesVectorEnv(LanguageVectorEnv):
    """`LiveSubtitlesEnv` with N rows."""

    training_arguments = LanguageVectorEnv.training_arguments | {"stride"}

    def __init__(self, num_envs: int = 1, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(num_envs, task="live_subtitles", **{**DEFAULTS, **arguments})
