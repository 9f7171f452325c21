"""Explanations of agents: attributions, departures from the model, and checks of their truth."""
