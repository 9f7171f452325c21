"""Preferences that were not fitted: they like one named feature."""

import numpy as np

from lm_envs.tasks.rewards.preference import FEATURES, Preference


def preference(model, feature="fluency", size=256):
    weights = np.array([float(name == feature) for name in FEATURES])
    return Preference(np.zeros(size), 4.0 * weights, -2.0, model, {})
