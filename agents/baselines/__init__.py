"""Baselines beside an agent: rules, searches and imitation, whose settings are chosen elsewhere."""
