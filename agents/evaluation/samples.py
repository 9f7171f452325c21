"""Completions of the same prompts, side by side, by policy or by training stage; as Markdown.

Owns which prompts are shown, the layout and the escaping. Computes no score.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from agents.evaluation.baselines import untrained_name
from agents.evaluation.comparison import AGENT, Rollouts
from agents.evaluation.rollouts import evenly_spaced_indices
from agents.evaluation.stages import Stage
from lm_envs.rendering import printable, text_with_replies
from lm_envs.transcript import Transcript

MARKUP = "\\`*_<>[]|&~@"
"""Characters that Markdown would take for markup; each is escaped by a backslash."""


def escape_markdown(text: str) -> str:
    """Returns a text on one line, escaped so that Markdown shows its characters unchanged."""
    text = printable(" ".join(text.split()))
    text = "".join(f"\\{character}" if character in MARKUP else character for character in text)
    # Bare addresses become links otherwise.
    return text.replace("://", ":\\/\\/").replace("www.", "www\\.")


def transcripts_by_policy(rollouts: Rollouts, count: int) -> list[dict[str, Transcript]]:
    """Returns the transcripts of each policy's first seed on up to `count` prompts."""
    return [
        {name: seeds[0][number] for name, seeds in rollouts.items()}
        for number in evenly_spaced_indices(len(rollouts[AGENT][0]), count)
    ]


def before_and_after(rollouts: Rollouts, count: int) -> list[dict[str, Transcript]]:
    """Returns the transcripts of the untrained model and of the agent on up to `count` prompts."""
    before = untrained_name(rollouts)
    return [
        {f"before ({before})": sample[before], "agent": sample[AGENT]}
        for sample in transcripts_by_policy(rollouts, count)
    ]


def training_samples(policies: Mapping[str, Sequence[Transcript]]) -> str:
    """Returns the completions of each policy on the same prompts, as Markdown.

    Args:
        policies: Transcripts by name of the policy, in the same order of prompts.
    """
    lines = ["# Held-out samples", "", "The same prompts before and after training, unselected."]
    for transcripts in zip(*policies.values(), strict=True):
        lines += [*_prompt(transcripts[0].prompt), *_reference(transcripts[0].reference)]
        lines += [_completion(*pair) for pair in zip(policies, transcripts, strict=True)]
    return "\n".join(lines) + "\n"


def evaluation_samples(rollouts: Rollouts, num_samples: int) -> str:
    """Returns the completions of each policy's first seed, and the agent's best ones, as Markdown.

    Args:
        rollouts: Transcripts by policy, seed and prompt; one policy is named `AGENT`.
        num_samples: Number of prompts in each of the two lists.
    """
    agent = rollouts[AGENT][0]
    lines = ["# Samples", "", "Held-out prompts, evenly spaced, first seed of each policy."]
    for sample in transcripts_by_policy(rollouts, num_samples):
        lines += [*_prompt(sample[AGENT].prompt), *_reference(sample[AGENT].reference)]
        lines += [_completion(*pair) for pair in sample.items()]
    order = np.random.default_rng(0).permutation(len(agent))  # among equal rewards
    best = sorted((agent[n] for n in order), key=lambda t: -t.scores["reward"])[:num_samples]
    lines += ["", "## The agent's completions of highest reward", ""]
    lines += [
        f"- ({t.scores['reward']:+.3f}) {_bold(t.prompt)} {escape_markdown(text_with_replies(t))}"
        for t in best
    ]
    return "\n".join(lines) + "\n"


def stage_samples(stages: Sequence[Stage]) -> str:
    """Returns the greedy completions of the same prompts after each stage, as Markdown."""
    lines = ["# Held-out samples", "", "Greedy completions after each stage; prompts unselected."]
    for versions in zip(*(stage.samples for stage in stages), strict=True):
        lines += [*_prompt(versions[0]["prompt"]), *_reference(versions[0]["reference"])]
        for stage, sample in zip(stages, versions, strict=True):
            text = escape_markdown(sample["text"])
            lines.append(f"- {stage.stage} ({sample['reward']:+.3f}): {text}")
    return "\n".join(lines) + "\n"


def _prompt(prompt: str) -> list[str]:
    return ["", f"{_bold(prompt)} …", ""]


def _reference(reference: str) -> list[str]:
    """Returns the line of a reference; none for a prompt without one."""
    return [f"- *reference*: {escape_markdown(reference)}"] if reference else []


def _bold(prompt: str) -> str:
    """Returns a prompt as bold text; Markdown would show four asterisks for a blank one."""
    return f"**{text}**" if (text := escape_markdown(prompt)) else "*(blank prompt)*"


def _completion(name: str, transcript: Transcript) -> str:
    text = escape_markdown(text_with_replies(transcript))
    return f"- {name} ({transcript.scores['reward']:+.3f}): {text}"
