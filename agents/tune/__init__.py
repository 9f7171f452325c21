"""Searches for hyperparameters: the search space, trials as processes, the study, its report."""
