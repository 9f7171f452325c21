"""`lm_envs/QuestionAnswering-v0`: its page and its defaults."""

from typing import Any

from lm_envs.envs.single_env import LanguageEnv
from lm_envs.envs.vector_env import LanguageVectorEnv


class QuestionAnsweringEnv(LanguageEnv):
    """Answer a question.

    Information, shared arguments and the vectorized environment: see `LanguageEnv`.

    ## Description
    A frozen model reads a question, and with `mode="extractive"` a context that contains the
    answer; the agent writes the answer token by token, or chooses one of four answers. The embedded
    questions ask for facts about countries. With `held_out="wordings"` the context is a paragraph
    of such facts, and each split has wordings and countries of its own. Questions such as those of
    `dataset="reasoning_gym:basic_arithmetic"` are generated, and a program verifies the answers.

    ## Action Space
    `Discrete(16)` (`actions="top_k"`): action a writes the model's a-th most likely next token.
    With `actions="choices"`, `Discrete(4)`: action a writes the a-th of four answers, one of which
    is right.

    ## Observation Space
    As in `lm_envs/NextWord-v0`, with and without choices.

    ## Rewards
    `rewards={"token_f1": 1.0, "exact_match": 0.0}` by default: F1 of the words shared with a right
    answer, after SQuAD's normalization; whether the answer is exactly right is logged only. The
    reward of a step is by how much it raised the sum. For generated questions
    `{"verified": 1.0}`, the verifier's result.

    ## Starting State
    A question drawn from the dataset's split. `reset(options={"index": 3})` selects one,
    `{"prompt": ...}` sets all that the model reads, in the form of the example below, without an
    answer.

    ## Episode End
    Terminates at the end token, at the end of the line, or when `max_new_tokens` are written; with
    choices after one line. Truncates after `max_steps`.

    ## Arguments
    Those of `LanguageEnv`; `dataset`, `split`, `mode`, `held_out`, `columns`,
    `prompt_tokens`, `max_new_tokens`, `shots` and `rewards` as in
    `lm_envs.tasks.question_answering.QuestionAnswering`.

    Example:
        >>> import gymnasium as gym
        >>> import lm_envs
        >>> env = gym.make("lm_envs/QuestionAnswering-v0")
        >>> observation, info = env.reset(options={"index": 0})
        >>> print(info["prompt"])
        Question: What is the capital of Afghanistan?
        Answer:
        >>> observation, reward, terminated, truncated, info = env.step(0)
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - as LanguageVectorEnv
        super().__init__(task="question_answering", **arguments)


class QuestionAnsweringVectorEnv(LanguageVectorEnv):
    """`QuestionAnsweringEnv` with N rows."""

    def __init__(self, num_envs: int = 1, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(num_envs, task="question_answering", **arguments)
