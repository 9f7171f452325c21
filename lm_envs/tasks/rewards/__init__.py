"""Scores of a completion, and the weighted sum that is the reward."""
