"""What answers an agent over several turns: a scripted customer and a graph of facts.

Pure Python data and rules. Knows nothing of tokens, models, rewards or episodes.
"""
