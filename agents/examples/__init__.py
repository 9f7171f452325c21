"""Language environments under other RL libraries: one short script each."""
