"""Where model and tasks meet: the environments."""
