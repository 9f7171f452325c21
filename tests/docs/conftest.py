"""The pages of all ids, made once."""

import pytest
from lm_envs_docs import environment_pages, facts


@pytest.fixture(scope="session")
def pages():
    """Page of each id as Markdown."""
    return {env_id: environment_pages.page(env_id) for env_id in facts.own_ids()}
