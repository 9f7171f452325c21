"""The trace of an episode: at each step the candidates, the preferences, the choice, the reward.

Values only: terminal, page, pictures and explanations are made from them. Knows nothing of
environments or policies.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lm_envs.transcript import Transcript

Kind = Literal["probability", "value", "score"]
"""What a preference is: a probability in [0, 1], a Q-value, or the output of a linear policy."""

NOT_LISTED = -1
"""Position of a choice that is not among the listed candidates."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that the agent could do.

    Attributes:
        text: What it writes or does; untrusted text.
        model_logprob: The model's log-probability of it, nats; of a line the mean over its tokens.
            None where the model has none.
        preference: The agent's preference for it; None where the policy has none.
        is_allowed: Whether it can be chosen now.
    """

    text: str
    model_logprob: float | None = None
    preference: float | None = None
    is_allowed: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an episode.

    Attributes:
        candidates: What could be chosen, in the order of the actions.
        chosen: Position of the choice in `candidates`, or `NOT_LISTED`.
        first: Position of the model's first choice, or `NOT_LISTED`.
        written: Text that the step added; untrusted.
        action: Description of the choice.
        settings: Values by name where the action is continuous.
        value: The agent's estimate of the reward that follows; None without one.
        reward: Of this step.
        contributions: Weighted change of each component of the reward.
        scores: Components so far, unweighted.
        reply: What answered the step's line; empty without an answer.
    """

    candidates: tuple[Candidate, ...]
    chosen: int
    first: int
    written: str
    action: str
    settings: Mapping[str, float] = field(default_factory=dict)
    value: float | None = None
    reward: float = 0.0
    contributions: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    reply: str = ""

    @property
    def departs(self) -> bool:
        """Whether the agent chose something else than the model's first choice."""
        return self.first != NOT_LISTED and self.chosen != self.first


@dataclass(frozen=True, slots=True)
class EpisodeTrace:
    """One finished episode.

    Attributes:
        index: Of the example; -1 for a caller's own prompt.
        policy: Name of the policy.
        kind: What its preferences are; None without preferences.
        steps: In their order.
        transcript: The episode as text and numbers.
    """

    index: int
    policy: str
    kind: Kind | None
    steps: tuple[Step, ...]
    transcript: Transcript

    @property
    def reward(self) -> float:
        """Total reward."""
        return float(sum(step.reward for step in self.steps))

    def to_json(self) -> dict[str, Any]:
        """Returns plain values."""
        own = self.transcript
        texts = {"prompt": own.prompt, "text": own.text, "reference": own.reference}
        episode = {"index": self.index, "policy": self.policy, "preference": self.kind, **texts}
        episode |= {"ending": own.ending, "scores": dict(own.scores), "reward": self.reward}
        return {**episode, "steps": [asdict(step) for step in self.steps]}
