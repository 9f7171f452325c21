"""`lm_envs/QuestionAnswering-v0` by its page: answers from memory or from a context."""

from typing import Any

from lm_envs.envs.single_env import LanguageEnv
from lm_envs.envs.vector_env import LanguageVectorEnv


class QuestionAnsweringEnv(LanguageEnv):
    """Answer a question.

    ## Description
    A frozen GPT-2 reads a question, and in the mode "extractive" a context that holds the answer;
    the agent chooses each word of the answer, or one of four answers. The embedded questions ask
    for facts about countries; those of `dataset="reasoning_gym:basic_arithmetic"` and its like are
    generated, and a program verifies the answers.

    ## Action Space
    `Discrete(16)` (`actions="top_k"`): action a writes the model's a-th best next token. With
    `actions="choices"`, `Discrete(4)`: action a writes the a-th of four answers, one of them right.

    ## Observation Space
    As in `lm_envs/NextWord-v0`; with choices `Box(D + 2 C + 1,)`: the hidden state (D), the model's
    mean log-probability of each line in nats (C), whether each is open (C), share of turns left.

    ## Rewards
    `rewards={"token_f1": 1.0, "exact_match": 0.0}` by default: words shared with the right answers
    after SQuAD's normalization, and whether all are, which is reported and not paid. Each step pays
    how far it raised the sum. Generated questions pay `{"verified": 1.0}`, what the verifier says.

    ## Starting State
    A question drawn from the dataset's split. `reset(options={"index": 3})` pins one, `{"prompt":
    ...}` gives another text, without an answer.

    ## Episode End
    Terminates at the end of text, at the end of the line, or when `max_new_tokens` are written;
    with choices after one line. Truncates after `max_steps`.

    ## Information
    As in `lm_envs/NextWord-v0`: `prompt`, `text`, `logprob`; at the end `reference`, `ending` and
    `scores`.

    ## Arguments
    `model`, `device`, `dtype`, `cache_dtype`, `actions`, `observation`, `dense`, `max_steps`,
    `prompt_cache`, `render_mode` as in `LanguageVectorEnv`; `dataset`, `split`, `mode`,
    `columns`, `prompt_tokens`, `max_new_tokens`, `rewards` as in
    `lm_envs.tasks.question_answering.QuestionAnswering`.

    ## Vectorized environment
    `gymnasium.make_vec("lm_envs/QuestionAnswering-v0", num_envs=64)` advances all rows in one
    batch; `autoreset_mode` is "next_step", "same_step" or "disabled".

    ## Version History
    * v0: first version.

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
