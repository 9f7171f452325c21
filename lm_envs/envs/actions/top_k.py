"""`actions="top_k"`: an action is the rank of a candidate for the next token."""

from collections.abc import Callable, Mapping

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.base import DEFAULT_K, Setup
from lm_envs.envs.actions.copying import CopyCandidates
from lm_envs.envs.actions.pointer import POINTER_WEIGHT, Pointer
from lm_envs.envs.actions.prompt_order import InOrder, prompt_order
from lm_envs.envs.actions.token_actions import TokenActions
from lm_envs.envs.observations.features import CandidateAxes, Feature, pointer_shares
from lm_envs.model.embeddings import TokenSpace
from lm_envs.model.engine import Outputs
from lm_envs.validation import check_choice, check_count, is_whole

ORDERS = ("likelihood", "prompt")


class TopKActions(TokenActions):
    """Action a writes the model's a-th most likely next token, 0 being the most likely.

    Ties are ordered by token id. The end token takes the last place where it is not among the k
    best, so it can always be chosen. With `copies`, tokens of the prompt are candidates too, even
    if the model finds them less likely: those with the largest weight of a pointer over the model's
    hidden states (`lm_envs.envs.actions.pointer`), for text that has to be copied. All candidates
    are then ordered by likelihood, the end token too.

    With `order="prompt"` the actions are the tokens of the prompt in the order of the prompt, then
    the other candidates by likelihood, the end token last (`lm_envs.envs.actions.prompt_order`): an
    action then keeps its meaning where all episodes have one prompt and `copies` covers it.

    Source of the pointer: See et al. 2017, https://arxiv.org/abs/1704.04368.

    Args:
        k: Number of the model's most likely tokens, the end token among them: 2 or more, or with
            `copies` also 1.
        copies: Number of tokens of the prompt.
        order: "likelihood", or with `copies` also "prompt".
        axes: Number of coordinates that observations show of each candidate, in the space of the
            leading principal components of the token embeddings: they tell the agent which tokens
            it chooses from. 0 for none.

    Attributes:
        copied: Candidates with copied tokens; None if `copies` is 0.
        tokens: Where each token lies along the axes; None if `axes` is 0.
    """

    def __init__(
        self, *, k: int = DEFAULT_K, copies: int = 0, order: str = ORDERS[0], axes: int = 0
    ) -> None:
        check_count("copies", copies, least=0)
        check_count("axes", axes, least=0)
        check_k("top_k", k, least=1 if copies else 2)
        check_choice("order", order, ORDERS if copies else ORDERS[:1])
        self._is_by_prompt = order == "prompt"
        self.num_candidates = int(k + copies)
        self.space = gym.spaces.Discrete(self.num_candidates)
        self._num_copies, self._num_axes = copies, axes
        self.copied: CopyCandidates | None = None
        self.tokens: TokenSpace | None = None
        self._ordered: tuple[Outputs, np.ndarray] | None = None

    def prepare(self, setup: Setup) -> None:
        """Projects the token embeddings if observations show axes.

        Raises:
            ValueError: If there are more axes than the embeddings have dimensions.
        """
        super().prepare(setup)
        check_dimensions("top_k", "axes", self._num_axes, setup)
        if self._num_axes:
            self.tokens = TokenSpace(setup.model, self._num_axes)

    def connect(self, setup: Setup) -> None:
        """Builds what needs the engine."""
        if self._num_copies:
            self.copied = CopyCandidates(
                self.engine, Pointer(self.engine, self.episodes), self._num_copies
            )

    @property
    def outputs(self) -> Outputs:
        """The engine's outputs, with copied tokens among the candidates if there are any."""
        return self.engine.outputs if self.copied is None else self.copied.outputs

    def to_tokens(self, actions: np.ndarray, outputs: Outputs, rows: np.ndarray) -> np.ndarray:
        """Returns the candidates (N,) that the actions (N,) stand for."""
        ranks = actions[:, None]
        if self._is_by_prompt:
            ranks = np.take_along_axis(self._ranks(), ranks, 1)
        return np.take_along_axis(outputs.candidates, ranks, 1)[:, 0]

    def actions_for_ranks(self, ranks: np.ndarray) -> np.ndarray:
        """Returns the actions (N,) that write the candidates of these ranks (N,) by likelihood."""
        if not self._is_by_prompt:
            return ranks
        return (self._ranks() == ranks[:, None]).argmax(1)

    def features(self) -> list[Feature]:
        """Returns the candidates' columns, the pointer's weights, axes, and the budget left."""
        *shown, budget = super().features()
        if (copied := self.copied) is not None:
            shown.append(pointer_shares(lambda: copied.shares, self.num_candidates))
        if self.tokens is not None:
            shown.append(CandidateAxes(self.tokens, self.num_candidates, self._num_axes))
        if self._is_by_prompt:
            shown = [InOrder(feature, self._ranks) for feature in shown]
        return [*shown, budget]

    def rule_policies(self) -> Mapping[str, Callable[[], np.ndarray]]:
        """Returns greedy decoding of a mixture of model and pointer, where there is a pointer."""
        return {} if self.copied is None else {"greedy, with the pointer": self._mixture_actions}

    def _ranks(self) -> np.ndarray:
        """Returns the rank of the candidate that each action writes, (N, K)."""
        outputs = self.outputs
        if self._ordered is None or self._ordered[0] is not outputs:
            ranks = prompt_order(outputs.candidates, self.episodes, self.engine.end_token)
            self._ordered = outputs, ranks  # several features need it in each step
        return self._ordered[1]

    def _mixture_actions(self) -> np.ndarray:
        """Most likely candidates (N,) of a mixture of the model and its pointer.

        Source: a continuous cache, Grave et al. 2016, https://arxiv.org/abs/1612.04426.
        """
        assert self.copied is not None
        model = np.exp(self.candidate_logprobs())
        mixed = (1.0 - POINTER_WEIGHT) * model + POINTER_WEIGHT * self.copied.shares
        return self.actions_for_ranks(mixed.argmax(1))


def check_k(kind: str, k: object, least: int = 2) -> None:
    """Raises ValueError if k is not a whole number, `least` or more."""
    if not is_whole(k) or k < least:
        raise ValueError(
            f"Got k={k!r} for {kind} actions; allowed: a whole number, {least} or more."
        )


def check_dimensions(kind: str, name: str, count: int, setup: Setup) -> None:
    """Raises ValueError if the space of an option has more dimensions than the token embeddings."""
    width = setup.model.config.hidden_size
    if count > width:
        raise ValueError(
            f"Got {name}={count} for {kind} actions; allowed: up to the embedding size, {width}."
        )
