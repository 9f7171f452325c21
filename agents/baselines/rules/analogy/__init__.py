"""Rules for texts to rewrite as shown: a change is read off solved examples and applied."""
