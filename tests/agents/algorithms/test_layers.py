import torch
from torch import nn

from agents.algorithms.layers import layers, silence


def test_each_linear_layer_is_followed_by_an_activation():
    first, then, second, last = layers([3, 5, 2], nn.Tanh)
    assert (first.in_features, first.out_features) == (3, 5)
    assert (second.in_features, second.out_features) == (5, 2)
    assert isinstance(then, nn.Tanh)
    assert isinstance(last, nn.Tanh)
    assert layers([3], nn.Tanh) == []


def test_a_silenced_network_returns_zeros_until_it_learns():
    network = nn.Sequential(*layers([3, 5], nn.Tanh), nn.Linear(5, 2))
    given = torch.ones(4, 3)
    assert network(given).any()
    silence(network)
    assert not network(given).any()
