"""Without any extra installed, every environment works."""

import subprocess
import sys

import pytest

EXTRAS = (
    *("stable_baselines3", "sb3_contrib", "transformers", "peft", "pydantic", "yaml", "typer"),
    *("matplotlib", "scipy", "tensorboard", "datasets", "reasoning_gym", "babel", "sklearn"),
)
SCRIPT = """
import sys

sys.modules.update(dict.fromkeys({extras}))  # an import of these raises ModuleNotFoundError
import gymnasium as gym
import lm_envs

options = {{"passages": 4}} if "{env_id}".split("/")[1].startswith({tuning}) else {{}}
env = gym.make("{env_id}", **options)
env.reset(seed=0)
env.action_space.seed(0)
env.step(env.action_space.sample())
print("stepped")
"""
TUNING = ("WeightTuning", "TrainingControl", "StructureSearch")
IDS = (
    *("NextWord", "Paraphrase", "QuestionAnswering", "KnowledgeGraphQA", "Translation"),
    *("Classification", "Dialogue", "CacheEviction", *TUNING),
)


@pytest.mark.parametrize("name", IDS)
def test_every_id_needs_core_dependencies_only(name):
    """Regression: TrainingControl needed transformers."""
    script = SCRIPT.format(extras=set(EXTRAS), env_id=f"lm_envs/{name}-v0", tuning=TUNING)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "stepped", done.stderr
