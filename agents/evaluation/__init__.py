"""Rollouts on held-out examples, baselines, metrics and reports."""
