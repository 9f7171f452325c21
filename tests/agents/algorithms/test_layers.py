from torch import nn

from agents.algorithms.layers import layers


def test_each_linear_layer_is_followed_by_an_activation():
    first, then, second, last = layers([3, 5, 2], nn.Tanh)
    assert (first.in_features, first.out_features) == (3, 5)
    assert (second.in_features, second.out_features) == (5, 2)
    assert isinstance(then, nn.Tanh)
    assert isinstance(last, nn.Tanh)
    assert layers([3], nn.Tanh) == []
