"""Algorithms by name, and those that Stable-Baselines3 does not have."""
