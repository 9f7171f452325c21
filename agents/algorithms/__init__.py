"""Algorithms and policies that Stable-Baselines3 does not have, and the factory of all of them."""
