"""Each id's environment and page, made once."""

import gymnasium as gym
import pytest
from lm_envs_docs import environment_pages, facts


@pytest.fixture(scope="session")
def envs():
    """Environment of each id with its defaults; tests reset it."""
    return {env_id: gym.make(env_id) for env_id in facts.own_ids()}


@pytest.fixture(scope="session")
def pages(envs):
    """Page of each id as Markdown."""
    return {env_id: environment_pages.page(env) for env_id, env in envs.items()}
