"""Pieces of policies whose network adds to given logits. Knows nothing of the network's input."""

from collections.abc import Sequence
from itertools import pairwise

from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import nn


def layers(widths: Sequence[int], activation: type[nn.Module]) -> list[nn.Module]:
    """Returns linear layers from each width to the next, with an activation after each."""
    return [module for pair in pairwise(widths) for module in (nn.Linear(*pair), activation())]


def silence(network: nn.Sequential) -> None:
    """Sets the last layer to 0, so that the network adds nothing yet."""
    last = network[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)


def take_logits_from_extractor(
    policy: ActorCriticPolicy | MaskableActorCriticPolicy, lr_schedule: Schedule
) -> None:
    """Makes the extractor's output the logits, with an optimizer of the parameters that are left.

    Call it at the end of the policy's `_build`: Stable-Baselines3 has initialized all layers then.
    """
    policy.action_net = nn.Identity()
    policy.optimizer = policy.optimizer_class(
        policy.parameters(),
        lr=lr_schedule(1),  # type: ignore[call-arg]  # as Stable-Baselines3 itself does
        **policy.optimizer_kwargs,
    )
