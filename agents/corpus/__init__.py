"""Sources of the embedded examples and of the pretraining corpus: prose, facts, generated pairs."""
