"""Captioning: images, their captions, and the task that asks for a caption."""
