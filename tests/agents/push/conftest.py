import pytest

from tests.agents.push.pushed_agent import finished_run


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("pushed"))
