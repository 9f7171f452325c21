"""Rules for simultaneous translation: write while the model is sure, or while a token stays."""
