"""Texts with a common prompt in one sequence: the prompt is forwarded once, not once per text.

Owns the layout of such sequences: tokens, positions and which tokens each token sees. Knows nothing
of networks.

A sequence is a prompt, then the rest of each of its texts. A token sees the prompt and the tokens
before it in its own text, and has the position that it has there, so its hidden state is the same
as in a sequence of its own. For eight answers of 5 tokens to a prompt of 25 that is 65 tokens in
place of 240.
"""

from typing import NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence


class SharedPrompts(NamedTuple):
    """R sequences of up to L tokens, and where the tokens of E texts are in them."""

    tokens: torch.Tensor  # (R, L) int64
    positions: torch.Tensor  # (R, L) int64, of each token in its text
    is_visible: torch.Tensor  # (R, 1, L, L) bool: may the query (third) see the key (fourth)?
    rows: torch.Tensor  # (E,) int64, sequence of each text
    shifts: torch.Tensor  # (E,) int64, added to a position behind the prompt
    prompts: torch.Tensor  # (E,) int64, number of prompt tokens of each text

    @classmethod
    def from_texts(
        cls, tokens: torch.Tensor, lengths: torch.Tensor, prompts: torch.Tensor
    ) -> "SharedPrompts":
        """Puts texts with the same prompt into one sequence.

        Args:
            tokens: (E, T) int64 texts, padded.
            lengths: (E,) int64 tokens of each text.
            prompts: (E,) int64 tokens of each text's prompt, 1 or more.
        """
        sizes = list(zip(prompts.tolist(), lengths.tolist(), strict=True))
        members: dict[tuple[int, ...], list[int]] = {}
        for text, (prompt, _) in enumerate(sizes):
            members.setdefault(tuple(tokens[text, :prompt].tolist()), []).append(text)
        rows, shifts = torch.zeros_like(prompts), torch.zeros_like(prompts)
        parts: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        for row, (prompt, texts) in enumerate(members.items()):
            start = len(prompt)
            places, segments = [torch.arange(start)], [torch.zeros(start, dtype=torch.int64)]
            pieces = [tokens[texts[0], :start]]
            for number, text in enumerate(texts, start=1):
                rows[text], shifts[text] = row, sum(map(len, places)) - start
                stop = sizes[text][1]
                pieces.append(tokens[text, start:stop])
                places.append(torch.arange(start, stop))
                segments.append(torch.full((stop - start,), number))
            parts.append((torch.cat(pieces), torch.cat(places), torch.cat(segments)))
        ids, positions, owners = (
            pad_sequence(list(each), True) for each in zip(*parts, strict=True)
        )
        device = tokens.device
        visible = _visible(owners.to(device))
        return cls(ids, positions.to(device), visible, rows, shifts, prompts)

    def places(self, texts: torch.Tensor, positions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Returns row and column (M,) of tokens in the sequences.

        Args:
            texts: (M,) int64 text of each token.
            positions: (M,) int64 position in the text.
        """
        is_behind = positions >= self.prompts[texts]
        return self.rows[texts], positions + self.shifts[texts] * is_behind


def _visible(owners: torch.Tensor) -> torch.Tensor:
    """Returns which keys each query sees, (R, 1, L, L), from the text (R, L) of each token.

    0 is the prompt. Padding has owner 0 too; it comes last, so that no token of a text sees it.
    """
    size = owners.shape[1]
    is_before = torch.ones(size, size, dtype=torch.bool, device=owners.device).tril()
    is_own = owners[:, :, None] == owners[:, None, :]
    return ((is_own | (owners == 0)[:, None, :]) & is_before)[:, None]
