"""Agents and models on a hub: the Hugging Face Hub, or a folder of this machine."""
