"""Finetuned language models beside what needs no training, on one split of their task."""
