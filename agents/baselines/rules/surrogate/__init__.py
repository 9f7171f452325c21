"""Rules that learn what adjustments of a model earn, and search in what they learned."""
