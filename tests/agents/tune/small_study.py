"""A study small enough for tests: trials of a second over the embedded model."""

from tests.agents.finished_run import CONFIG

KEY = "algorithm.kwargs.n_steps"
SEARCH = {
    "algorithm.kwargs.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True, "linear": True},
    KEY: {"choices": [16, 32]},
}


def small(**updates):
    """Two updates of 64 steps, with an evaluation after each."""
    evaluation = CONFIG.evaluation.model_copy(update={"episodes": 2})
    plain = {"total_timesteps": 128, "evaluation": evaluation}
    return CONFIG.model_copy(update={**plain, **updates})
