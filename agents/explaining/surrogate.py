"""A small decision tree that imitates when an agent departs from the model's first choice.

Owns the features, all of which a reader understands, and the held-out fidelity. Needs scikit-learn
(`pip install lm_envs[explain]`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.viewing.candidates import END
from agents.viewing.trace import EpisodeTrace, Step

DEPTH = 3
LEAST_LEAF = 8
"""Steps that a leaf holds at least: smaller ones would describe single texts."""

FEATURES = (
    "probability of the model's first choice",
    "probability of its second choice",
    "entropy of the candidates, nats",
    "first choice was written before",
    "first choice is in the prompt",
    "first choice ends the text",
    "first choice ends the line",
    "step",
)


def fit_tree(traces: Sequence[EpisodeTrace]) -> dict[str, Any] | None:
    """Fits a tree on the first half of the episodes, and measures it on the second.

    Returns:
        `rules` as text; `fidelity`, the share of held-out steps at which the tree is right;
        `baseline`, that of always answering the more frequent case; `steps`, held-out. None
        without scikit-learn, or where one of the halves has departures or the others only.
    """
    try:
        from sklearn.tree import DecisionTreeClassifier, export_text
    except ImportError:
        return None
    half = len(traces) // 2
    first, second = (_table(part) for part in (traces[:half], traces[half:]))
    if min(len(first[1]), len(second[1])) == 0 or len(np.unique(first[1])) < 2:
        return None
    tree = DecisionTreeClassifier(max_depth=DEPTH, min_samples_leaf=LEAST_LEAF, random_state=0)
    tree.fit(*first)
    usual = np.mean(first[1]) > 0.5
    rules = export_text(tree, feature_names=list(FEATURES), decimals=2)
    return {
        "rules": rules.replace("class: True", "departs").replace("class: False", "follows"),
        "fidelity": float(np.mean(tree.predict(second[0]) == second[1])),
        "baseline": float(np.mean(second[1] == usual)),
        "steps": len(second[1]),
    }


def _table(traces: Sequence[EpisodeTrace]) -> tuple[np.ndarray, np.ndarray]:
    """Returns features (S, F) and whether the agent departs (S,), of steps with a first choice."""
    rows, departs = [], []
    for trace in traces:
        for number, step in enumerate(trace.steps):
            if step.first >= 0:
                rows.append(_features(trace, step, number))
                departs.append(step.departs)
    return np.array(rows).reshape(-1, len(FEATURES)), np.array(departs, bool)


def _features(trace: EpisodeTrace, step: Step, number: int) -> list[float]:
    known = [c.model_logprob for c in step.candidates if c.model_logprob is not None]
    probabilities = np.sort(np.exp(known))[::-1]
    shares = probabilities / probabilities.sum()
    entropy = float(-(shares * np.log(np.maximum(shares, 1e-12))).sum())
    text = step.candidates[step.first].text
    word, before = text.strip(), "".join(each.written for each in trace.steps[:number])
    second = float(probabilities[1]) if len(probabilities) > 1 else 0.0
    return [
        float(probabilities[0]),
        second,
        entropy,
        float(bool(word) and word in before.split()),
        float(bool(word) and word in trace.transcript.prompt.split()),
        float(text == END),
        float("\n" in text),
        float(number + 1),
    ]
