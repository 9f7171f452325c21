"""A translation memory: the most similar known example, with the words that differ replaced.

Learns nothing; keeps the examples. Knows nothing of rewards.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from lm_envs.tasks.data.similar_texts import SimilarTexts

_PIECES = re.compile(r"[^\W\d_\u3400-\u9fff]+|\d+|\s+|.", re.DOTALL)
"""Words, numbers, spaces, and any other character alone, Chinese ones included."""

COMPARED = 2_000
"""Known prompts that are compared letter by letter, if a caller says nothing else."""

Replacement = tuple[str, str]
"""Words of a known example, and those of the new one that stand in their place."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """The edited target of a known prompt.

    Attributes:
        text: The target, in which words that differ are replaced.
        similarity: Share of equal letters in both prompts, from 0 to 1.
        is_whole: Whether all words that differ were found in the target.
    """

    text: str
    similarity: float
    is_whole: bool


def memory_proposals(
    known: Mapping[str, str], tried: int, compared: int = COMPARED
) -> Callable[[str], list[Proposal]]:
    """Returns the function that edits the targets of the known prompts most similar to a prompt.

    Where two prompts differ, the words of the known one are replaced in its target by those of the
    new one. The most similar prompt comes first; a known prompt that is the new one is left out.

    Args:
        known: Targets by prompt.
        tried: Most proposals, at least 1.
        compared: Known prompts that are compared letter by letter, the most similar ones by groups
            of letters.

    Source: fuzzy matches of translation memories, Koehn and Senellart 2010,
    https://aclanthology.org/2010.jec-1.4.
    """
    prompts = list(known)
    similar_texts = SimilarTexts(prompts) if len(prompts) > compared else None

    @lru_cache(2**14)
    def proposals(prompt: str) -> list[Proposal]:
        near = prompts
        if similar_texts is not None:
            near = [prompts[place] for place in similar_texts.nearest(prompt, compared)]
        near = [each for each in near if each != prompt]
        found = []
        for each in difflib.get_close_matches(prompt, near, tried, cutoff=0.0):
            similarity = difflib.SequenceMatcher(None, each, prompt).ratio()
            text, is_whole = _edited(known[each], _replacements(each, prompt))
            found.append(Proposal(text, similarity, is_whole))
        return found

    return proposals


def translation_memory(known: Mapping[str, str], tried: int) -> Callable[[str], str]:
    """Returns the function that edits the target of the most similar known prompt.

    The most similar prompt whose words that differ are all found in its target; if there is none
    of `tried`, the most similar one, with the edits that fit.

    Args:
        known: Targets by prompt, at least one besides the prompts that are asked for.
        tried: Number of similar prompts, at least 1.
    """
    proposals = memory_proposals(known, tried)

    def text_for(prompt: str) -> str:
        found = proposals(prompt)
        return found[written_place(found)].text

    return text_for


def written_place(found: Sequence[Proposal]) -> int:
    """Returns the place of the proposal that a memory writes: the first whole one, or else 0."""
    return next((place for place, each in enumerate(found) if each.is_whole), 0)


def _replacements(old: str, new: str) -> list[Replacement]:
    """Returns the words of `old` that `new` has others for; spaces around them are cut off."""
    before, after = _PIECES.findall(old), _PIECES.findall(new)
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    pairs = [
        ("".join(before[i:j]).strip(), "".join(after[k:m]).strip())
        for name, i, j, k, m in matcher.get_opcodes()
        if name != "equal"
    ]
    return [pair for pair in pairs if pair[0]]


def _edited(target: str, replacements: list[Replacement]) -> tuple[str, bool]:
    """Returns a target after all replacements that fit, and whether all did."""
    is_whole = True
    for old, new in replacements:
        for spelling in (str, _lower, _upper):
            if spelling(old) in target:
                target = target.replace(spelling(old), spelling(new))
                break
        else:
            is_whole = False
    return target, is_whole


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
