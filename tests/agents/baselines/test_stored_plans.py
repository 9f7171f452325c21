import numpy as np
import pytest

from agents.baselines.stored_plans import StoredPlans, read_plans, write_plans
from agents.config.loading import UserError


@pytest.mark.parametrize("shape", [(), (3,)])
def test_plans_of_any_length_and_kind_of_action_are_read_as_they_were_written(tmp_path, shape):
    rng = np.random.default_rng(0)
    plans = {
        rounds: [[rng.normal(size=shape).astype(np.float32) for _ in range(n)] for n in lengths]
        for rounds, lengths in ((0, (2, 0, 1)), (60, (1, 1, 4)))
    }
    rewards = {rounds: rng.normal(size=3) for rounds in plans}
    path = tmp_path / "plans.npz"
    write_plans(path, StoredPlans(np.array([4, 7, 9]), plans, rewards))
    found = read_plans(path)
    np.testing.assert_array_equal(found.indices, [4, 7, 9])
    for rounds, expected in plans.items():
        np.testing.assert_array_equal(found.rewards[rounds], rewards[rounds])
        assert [len(plan) for plan in found.plans[rounds]] == [len(plan) for plan in expected]
        for plan, other in zip(found.plans[rounds], expected, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(plan, other, strict=True))


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "plans.npz"
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"Got clone_plans=.*which is no file of plans"):
        read_plans(path)
    np.savez(path, indices=np.arange(2))
    with pytest.raises(UserError, match=r"which is no file of plans \(KeyError\)"):
        read_plans(path)
    arrays = {"lengths_0": np.array([5]), "actions_0": np.zeros(2), "rewards_0": np.zeros(1)}
    np.savez(path, indices=np.arange(1), rounds=np.array([0]), **arrays)
    with pytest.raises(UserError, match=r"which is no file of plans \(ValueError\)"):
        read_plans(path)


def test_a_file_with_objects_is_not_executed(tmp_path):
    path = tmp_path / "plans.npz"
    np.savez(path, indices=np.array([{"a": 1}], object), rounds=np.zeros(0, np.int64))
    with pytest.raises(UserError, match=r"which is no file of plans \(ValueError\)"):
        read_plans(path)
