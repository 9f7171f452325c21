import numpy as np
import pytest
import torch

from agents.runs import nan_guard
from tests.operations import Operations


@pytest.fixture
def policy():
    """Two heads, as of an actor and its critic, under watch."""
    torch.manual_seed(0)
    policy = torch.nn.ModuleDict(
        {"action_net": torch.nn.Linear(3, 2), "value_net": torch.nn.Linear(3, 1)}
    )
    nan_guard.guard(policy, lambda: 640)
    return policy


def update(policy, loss):
    """As Stable-Baselines3 does it: clipping spreads a NaN to all gradients."""
    loss.backward()
    torch.nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
    torch.optim.SGD(policy.parameters(), 0.1).step()


def test_a_bad_loss_stops_before_the_optimiser_and_names_its_weights(policy):
    before = {name: values.clone() for name, values in policy.state_dict().items()}
    x = torch.ones(4, 3)
    loss = policy["action_net"](x).mean() + float("nan") * policy["value_net"](x).mean()
    with pytest.raises(FloatingPointError, match=r"gradient of value_net\.\w+ at step 640"):
        update(policy, loss)
    assert all(torch.equal(values, before[name]) for name, values in policy.state_dict().items())


def test_a_good_loss_passes(policy):
    update(policy, policy["value_net"](torch.ones(4, 3)).mean())


def test_a_bad_output_is_named(policy):
    with torch.no_grad(), pytest.raises(FloatingPointError, match="output of action_net at step 6"):
        policy["action_net"](torch.full((1, 3), float("inf")))
    with pytest.raises(FloatingPointError, match="output of action_net at step 640"):
        update(policy, policy["action_net"](torch.full((1, 3), float("inf"))).mean())


def test_outputs_of_unchecked_modules_are_left_to_others():
    policy = torch.nn.ModuleDict({"network": torch.nn.Linear(3, 2), "head": torch.nn.Linear(2, 1)})
    nan_guard.guard(policy, lambda: 7, unchecked=("network",))
    with torch.no_grad(), pytest.raises(FloatingPointError, match="output of head at step 7"):
        policy["head"](policy["network"](torch.full((1, 3), float("inf"))))


def test_gradients_that_are_not_accumulated_are_checked_too(policy):
    loss = float("nan") * policy["value_net"](torch.ones(4, 3)).mean()
    with pytest.raises(FloatingPointError, match="gradient of value_net"):
        torch.autograd.grad(loss, list(policy["value_net"].parameters()))


def test_the_pass_after_a_bad_one_is_checked_for_itself(policy):
    with pytest.raises(FloatingPointError):
        update(policy, float("nan") * policy["value_net"](torch.ones(4, 3)).mean())
    policy.zero_grad()
    update(policy, policy["value_net"](torch.ones(4, 3)).mean())


def operations(is_guarded):
    torch.manual_seed(0)
    layers = [torch.nn.Linear(4, 4) for _ in range(40)]
    policy = torch.nn.Sequential(*layers)
    if is_guarded:
        nan_guard.guard(policy, lambda: 640)
    with Operations() as found:
        policy(torch.ones(2, 4)).mean().backward()
    return found, [parameter.grad for parameter in policy.parameters()]


def test_the_guard_waits_once_in_a_pass_and_adds_few_operations():
    """Regression: each of 148 gradients of GPT-2 was read for itself, 151 waits a minibatch."""
    (plain, expected), (guarded, found) = operations(False), operations(True)
    assert guarded.waits - plain.waits == 1
    assert guarded.count - plain.count <= 12
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours, theirs)


def test_bad_weights_are_named(policy):
    policy["action_net"].weight.data[0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match=r"weights of action_net\.weight at step 7"):
        nan_guard.check_parameters(policy, 7)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_bad_reward_names_row_step_and_terms(bad):
    infos = [{}, {"scores": {"fluency": 0.5, "overlap": bad}}]
    with pytest.raises(FloatingPointError, match=r"in row 1 at step 8 \(terms: overlap\)"):
        nan_guard.check_rewards(np.array([0.0, bad], np.float32), infos, 8)


def test_good_rewards_pass():
    nan_guard.check_rewards(np.array([0.0, -3.5], np.float32), [{}, {}], 8)
