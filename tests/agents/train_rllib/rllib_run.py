"""A configuration for runners, and the reason why tests of Ray are skipped."""

from tests.agents.finished_run import CONFIG, changed

REASON = "Ray is not installed: it needs an environment of its own, see docs/cluster.md"

SMALL = changed(
    name="runners",
    env=CONFIG.env.model_copy(update={"n_envs": 2}),
    evaluation=CONFIG.evaluation.model_copy(update={"every": 128}),
)
"""Two runners of 2 rows collect 64 steps for each update; four updates."""
