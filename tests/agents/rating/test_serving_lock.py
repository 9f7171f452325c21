import pytest

from agents.config.loading import UserError
from agents.rating.serving_lock import serving


def test_a_store_has_one_server_at_a_time(tmp_path):
    path = tmp_path / "r.sqlite"
    with (
        serving(path),
        pytest.raises(UserError, match=r"which another server serves .*one server for a store"),
        serving(path),
    ):
        pass
    with serving(path), serving(tmp_path / "other.sqlite"):  # the first one has ended
        pass
