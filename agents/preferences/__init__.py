"""Preferences of raters: comparisons, features of the frozen model, the fit and its agreement."""
