"""Rules that a person would write for one kind of action or task. Each knows nothing of rewards."""
