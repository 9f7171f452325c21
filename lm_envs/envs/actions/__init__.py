"""Action kinds: what an agent's action means, and what it writes."""
