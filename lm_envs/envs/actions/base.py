"""What an action means: the base class of all action kinds.

An action kind owns its space, and what each action writes into the episodes of N rows. It knows
nothing of rewards, and does not decide when an episode is over.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.checks import check_discrete, check_points
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.observations.features import Feature
from lm_envs.model.base import LanguageModel
from lm_envs.model.engine import Engine, Outputs
from lm_envs.tasks.base import Task
from lm_envs.tokenizer import Tokenizer

DEFAULT_K = 16
"""Next tokens that the engine reports for each row, unless the action kind needs another number."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What is known about an environment before its action space is.

    Attributes:
        model: The language model.
        tokenizer: Its tokenizer.
        task: The task.
        task_name: Name of the task, for error messages.
    """

    model: LanguageModel
    tokenizer: Tokenizer
    task: Task
    task_name: str


class Actions(ABC):
    """An action kind: a space, and what each action does to the text of N rows.

    The environment constructs it from its options, calls `prepare` once, and then `attach` once,
    which sets `engine`, `episodes`, `task`, `tokenizer` and `rngs`. A kind that writes one token a
    step derives from `TokenActions` and implements `to_tokens` only.

    Attributes:
        space: Action space of one row; set by the constructor or by `prepare`.
        num_candidates: K, next tokens that the engine reports for each row.
        reserved_tokens: Tokens of the context that a prompt given in `reset(options=...)` must
            leave free.
        meaning: What a discrete action is, for error messages.
        reads_text: Whether the model reads the text; otherwise there are no hidden states.
        rngs: N generators, one a row. A stochastic kind draws from the generators of the rows that
            act and from no other, so that each row replays the single environment.
    """

    space: gym.Space[Any]
    num_candidates: int = DEFAULT_K
    reserved_tokens: int = 1
    meaning: str = "the actions"
    reads_text: bool = True
    engine: Engine
    episodes: EpisodeBuffer
    task: Task
    tokenizer: Tokenizer
    rngs: Sequence[np.random.Generator]

    def prepare(self, setup: Setup) -> None:  # noqa: B027 - optional
        """Sets what depends on the model and the task, such as the space.

        Raises:
            ValueError: If this kind does not fit the task or the model.
        """

    def attach(
        self,
        setup: Setup,
        engine: Engine,
        episodes: EpisodeBuffer,
        rngs: Sequence[np.random.Generator],
    ) -> None:
        """Connects the kind to one environment.

        Raises:
            ValueError: If it is connected to another environment already.
        """
        if hasattr(self, "engine"):
            raise ValueError(
                f"Got a {type(self).__name__} object that another environment uses; allowed: a new "
                "object for each environment, or its class as 'module:Class'."
            )
        self.engine, self.episodes, self.rngs = engine, episodes, rngs
        self.task, self.tokenizer = setup.task, setup.tokenizer
        self.connect(setup)

    def connect(self, setup: Setup) -> None:  # noqa: B027 - optional
        """Builds what needs the engine; called once, when all attributes are set."""

    @property
    def outputs(self) -> Outputs:
        """Candidates for the next token of each row, their log-probabilities, hidden states."""
        return self.engine.outputs

    def check(self, actions: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Returns the actions of N rows in the dtype of the space, 0 where a row is not active.

        Args:
            actions: (N, ...), as the caller gave them.
            active: (N,) bool, rows that are to act.

        Raises:
            ValueError: If an active row has an action outside the space.
        """
        if isinstance(self.space, gym.spaces.Discrete):
            return check_discrete(actions, active, int(self.space.n), self.meaning)
        return check_points(actions, active, self.space.shape or ())

    @abstractmethod
    def read_contexts(self, rows: np.ndarray) -> None:
        """Prefills the contexts of `rows` (R,) into the KV cache."""

    def update_choices(self, rows: np.ndarray) -> None:  # noqa: B027 - optional
        """Updates what `rows` (R,) can choose from; called when a turn begins."""

    def before_restore(self) -> None:  # noqa: B027 - optional
        """Called before the episodes of a state replace the present ones and `restore` follows."""

    @abstractmethod
    def restore(self) -> None:
        """Rebuilds the KV cache of all rows as the episodes built it, bit for bit on CPU."""

    @abstractmethod
    def write(self, rows: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Performs the actions (N, ...) of `rows` (R,); the model may still compute then.

        Returns:
            (R,) bool, whether each of the rows completed a line.
        """

    def collect(self) -> None:  # noqa: B027 - optional
        """Stores the log-probabilities of what `write` wrote, if the model still computed them.

        Called after `write`, before contexts are read and before a score uses them.
        """

    def masks(self) -> np.ndarray:
        """Returns which discrete actions are valid now, (N, actions) bool.

        Raises:
            ValueError: If the actions are continuous.
        """
        if not isinstance(self.space, gym.spaces.Discrete):
            raise ValueError(
                f"Got action_masks() of actions in {self.space}; only discrete actions have masks."
            )
        return np.ones((self.engine.num_rows, int(self.space.n)), bool)

    def features(self) -> list[Feature]:
        """Returns the features that show an agent what it can choose from."""
        return []

    @property
    def shows_candidates(self) -> bool:
        """Whether `features` show the candidates, which observation="candidates" needs."""
        return True

    @property
    def is_ranked(self) -> bool:
        """Whether `actions_for_ranks` is implemented: greedy decoding and sampling need it."""
        return type(self).actions_for_ranks is not Actions.actions_for_ranks

    @property
    def has_model_probabilities(self) -> bool:
        """Whether the model computes `candidate_logprobs`: sampling and search need it.

        False for a kind that is not ranked, and for one whose actions do not all continue the text.
        """
        return self.is_ranked

    def candidate_logprobs(self) -> np.ndarray:
        """Returns log-probabilities (N, K) of what the model itself would do, best first, nats.

        -inf marks what is not allowed now.
        """
        return self.outputs.logprobs

    def actions_for_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """Returns actions of N rows that perform the model's candidates of these ranks (N,).

        Rank 0 is the most likely. Used by baselines and search only.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no actions_for_ranks(); implement it for greedy decoding, "
            "sampling and search."
        )

    def oracle_actions(self) -> np.ndarray:
        """Returns actions of N rows that lead to the target, as far as the actions allow it."""
        return self.actions_for_ranks(np.zeros(self.engine.num_rows, np.int64))

    def rule_policies(self) -> Mapping[str, Callable[[], np.ndarray]]:
        """Returns baselines that only this kind has: functions by name, each gives N actions."""
        return {}
