import pytest

from agents.config.loading import UserError
from agents.runs.files import write_text
from agents.runs.finished import read_configs
from agents.runs.folder import open_run
from tests.agents.finished_run import CONFIG, changed


@pytest.fixture
def make_run(tmp_path):
    """Makes a folder with a configuration and a file in place of the checkpoint."""

    def make(name, config):
        open_run(config, tmp_path / name, resume=False)
        write_text(tmp_path / name / "checkpoint.pt", "")
        return tmp_path / name

    return make


def test_seeds_of_one_configuration_are_read_in_order(make_run):
    folders = [make_run(f"s{seed}", changed(seed=seed)) for seed in (3, 1)]
    assert [config.seed for config in read_configs(folders)] == [3, 1]


def test_a_seed_given_twice_is_refused(make_run):
    folders = [make_run(name, CONFIG) for name in ("a", "b")]
    with pytest.raises(UserError, match="Got a seed twice"):
        read_configs(folders)
