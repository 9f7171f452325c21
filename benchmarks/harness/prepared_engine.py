"""An engine that computes nothing: it returns outputs that were computed before.

With it a step takes the time of everything outside the model. Owns the replacement of the engine of
an environment. Knows nothing of clocks.
"""

from collections.abc import Sequence
from itertools import cycle

import numpy as np

from lm_envs.envs.actions.token_actions import TokenActions
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.model.engine import Engine, Outputs


class PreparedEngine:
    """Stands in for an `Engine` in environments whose actions write one token.

    Args:
        engine: The engine that it replaces.
        outputs: Outputs for the next calls of `decode`, in this order; then from the first again.

    Attributes:
        num_rows: N.
        capacity: Most tokens in a row.
        end_token: Id of the end of text.
        outputs: The latest outputs.
    """

    def __init__(self, engine: Engine, outputs: Sequence[Outputs]) -> None:
        self.num_rows, self.capacity = engine.num_rows, engine.capacity
        self.end_token, self.outputs = engine.end_token, engine.outputs
        self._following = cycle(outputs)

    def prefill(self, rows: np.ndarray, prompts: Sequence[np.ndarray]) -> Outputs:
        """Returns the latest outputs."""
        return self.outputs

    def decode(self, tokens: np.ndarray, active: np.ndarray | None = None) -> Outputs:
        """Returns the next prepared outputs."""
        self.start_decode(tokens, active)
        return self.outputs

    def start_decode(self, tokens: np.ndarray, active: np.ndarray | None = None) -> None:
        """Makes the next prepared outputs the latest."""
        self.outputs = next(self._following)


def replace_engine(env: LanguageVectorEnv, outputs: Sequence[Outputs]) -> None:
    """Replaces an environment's engine by outputs of earlier steps.

    Raises:
        ValueError: If its actions use more of the engine than `prefill` and `decode`.
    """
    if not isinstance(env.actions, TokenActions):
        raise ValueError(
            f"Got an environment with {type(env.actions).__name__}, which scores whole lines by the"
            " model; allowed: environments whose actions write one token."
        )
    # A subclass of `Engine` would allocate a KV cache.
    env.engine = env.actions.engine = PreparedEngine(env.engine, outputs)  # type: ignore[assignment]
