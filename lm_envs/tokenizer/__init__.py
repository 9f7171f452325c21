"""Conversion of text to token ids and back, for the tokenizers of causal language models.

`tokenizer` has the class, `files` reads a checkpoint's folder, `pieces` the text of each id, and
`chat` puts prompts into a chat template. Importing it does not import torch.
"""

from lm_envs.tokenizer.tokenizer import END_OF_TEXT, Tokenizer, decode_prefix, text_of

__all__ = ["END_OF_TEXT", "Tokenizer", "decode_prefix", "text_of"]
