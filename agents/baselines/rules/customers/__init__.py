"""A rule for varied customers that computes what they hide from how they react: a Bayes filter."""
