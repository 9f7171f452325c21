"""Environments whose actions adjust the language model itself.

Knows nothing of action kinds, observations or rewards of text. One page an id: `weight_tuning`,
`training_control`, `structure_search`, `cache_eviction`.
"""
