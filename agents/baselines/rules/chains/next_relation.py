"""A classifier of the next relation of a walk, from the question and the path so far.

Owns the features, and what the classifier learns from: the walks to the answers of the agent's own
examples. Knows no reward.

Source: TF-IDF and multinomial logistic regression of scikit-learn, https://scikit-learn.org.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from agents.baselines.families import Setting
from agents.baselines.learned_examples import LearnedExamples
from agents.baselines.rules.customer_beliefs import left_out
from agents.baselines.rules.lines import Rule, by_rule
from agents.baselines.rules.prompts import own_prompt
from agents.evaluation.baselines import Policy
from lm_envs.tasks.base import Option
from lm_envs.tasks.knowledge_graph import KnowledgeGraphQA
from lm_envs.tasks.simulators.fact_graph import STOP

QUARTERS = 4
"""Parts of a question; a word with the number of its part is a feature beside the word."""

STEM = 5
"""First letters of a word that are counted, so that "exports" and "exported" are the same."""

COPIES = 2
"""Copies of each text with left out words, beside the text, where there is a dropout."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A question and the relations on the way to its answer, then "stop"."""

    question: str
    path: tuple[str, ...]


class NextRelation:
    """Logistic regressions over TF-IDF, one for each number of relations followed so far.

    Args:
        walks: What is learned from.
        lines: All relations and "stop".
        features: "words" for one to three words, with the quarter of the question in which a word
            stands; "characters" for 2 to 5 characters of a word; or "both".
        penalty: C, the inverse strength of the penalty.
        dropout: Share of the words that is left out of further copies of the texts.

    Raises:
        ImportError: Without scikit-learn.
    """

    def __init__(
        self,
        walks: Sequence[Walk],
        lines: Sequence[str],
        features: str,
        penalty: float,
        dropout: float,
    ) -> None:
        from sklearn.linear_model import LogisticRegression

        self.lines = tuple(lines)
        self._counter = _counter(features)
        self._models: list[Any] = []
        self._counter.fit([_text(walk.question, walk.path[:-1]) for walk in walks])
        for step in range(max(len(walk.path) for walk in walks)):
            texts, labels = [], []
            for number, walk in enumerate(walks):
                if step < len(walk.path):
                    found = _copies(walk.question, dropout, number)
                    texts += [_text(question, walk.path[:step]) for question in found]
                    labels += [walk.path[step]] * len(found)
            if len(set(labels)) > 1:  # after the longest walk there is only "stop" to learn
                counts = self._counter.transform(texts)
                self._models.append(LogisticRegression(C=penalty, max_iter=200).fit(counts, labels))

    @property
    def num_steps(self) -> int:
        """Number of classifiers; after so many relations they expect "stop"."""
        return len(self._models)

    def probabilities(self, questions: Sequence[str], paths: Sequence[Sequence[str]]) -> np.ndarray:
        """Returns the probability (Q, L) of each of the lines to be the next one.

        Args:
            questions: Q questions.
            paths: Relations followed so far, for each question; after as many as the longest walk
                has, "stop" is expected.
        """
        found = np.zeros((len(questions), len(self.lines)))
        counts = self._counter.transform(
            [_text(*pair) for pair in zip(questions, paths, strict=True)]
        )
        steps = np.array([len(path) for path in paths])
        found[steps >= self.num_steps, self.lines.index(STOP)] = 1.0
        for step, model in enumerate(self._models):
            rows = np.flatnonzero(steps == step)
            if not len(rows):
                continue
            columns = [self.lines.index(name) for name in model.classes_]
            found[rows[:, None], columns] = model.predict_proba(counts[rows])
        return found


def question_of(prompt: str) -> str:
    """Returns the question of a prompt."""
    return prompt.split("\n", 1)[0].removeprefix("Question: ")


def walks_of(examples: LearnedExamples) -> list[Walk]:
    """Returns the walks to the answers of examples."""
    env, found = examples.language_env, []
    for example in examples.examples:
        path: list[str] = []
        while not path or path[-1] != STOP:
            path.append(env.task.oracle_completion(example, path))
        found.append(Walk(question_of(own_prompt(env.episodes, example)), tuple(path)))
    return found


Learn = Callable[[LearnedExamples, Setting, int], Policy]


def learned_rule(make_rule: Callable[[NextRelation, Setting], Rule]) -> Learn:
    """Returns a function that makes a policy from examples and a setting.

    The setting begins with features, penalty and dropout; the classifier of each is learned once.

    Args:
        make_rule: Returns the rule for the classifier and the rest of the setting.
    """
    known: dict[tuple[bytes, str], NextRelation] = {}

    def learn(examples: LearnedExamples, setting: Setting, seed: int) -> Policy:
        (features, penalty, dropout), rest = setting[:3], setting[3:]
        key = examples.indices.tobytes(), str(setting[:3])
        if key not in known:
            task = examples.language_env.task
            assert isinstance(task, KnowledgeGraphQA)
            known[key] = NextRelation(walks_of(examples), task.lines, features, penalty, dropout)
        return by_rule(make_rule(known[key], rest))

    return learn


def likeliest(model: NextRelation) -> Rule:
    """Returns the rule that takes the most probable of the enabled lines."""
    return weighed(model, lambda prompt, turns, options: None, 0.0)


def weighed(model: NextRelation, other: Rule, weight: float) -> Rule:
    """Returns the rule that takes the best enabled line by a classifier and another rule.

    Args:
        model: Its probabilities are the scores of the lines.
        other: Its line has `weight` more.
        weight: Against a probability.
    """
    probabilities = lru_cache(2**14)(
        lambda question, path: model.probabilities([question], [path])[0]
    )

    def rule(prompt: str, turns: Sequence[str], options: Sequence[Option]) -> str:
        scores = probabilities(question_of(prompt), tuple(turns))
        chosen = other(prompt, turns, options)
        bonus = np.array([weight * (option.text == chosen) for option in options])
        enabled = np.array([option.is_enabled for option in options])
        return options[int(np.where(enabled, scores + bonus, -1.0).argmax())].text

    return rule


def _counter(features: str) -> Any:  # noqa: ANN401 - scikit-learn's
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    kinds: dict[str, dict[str, Any]] = {
        "words": {"analyzer": _words},
        "characters": {"analyzer": "char_wb", "ngram_range": (2, 5)},
    }
    chosen = [kinds[name] for name in kinds if features in (name, "both")]
    return make_union(*(TfidfVectorizer(**kind, sublinear_tf=True, min_df=2) for kind in chosen))


def _words(text: str) -> list[str]:
    """Returns one to three words, and words with their quarter of the text."""
    question, _, path = text.partition("|")
    words = [word.strip(".,?")[:STEM] for word in question.lower().split()]
    groups = [" ".join(words[i : i + n]) for n in (1, 2, 3) for i in range(len(words) + 1 - n)]
    placed = [f"{word} {QUARTERS * place // len(words)}" for place, word in enumerate(words)]
    return [*groups, *placed, *filter(None, path.split("|"))]


def _text(question: str, path: Sequence[str]) -> str:
    return "|".join([question, *path])


def _copies(question: str, dropout: float, number: int) -> list[str]:
    """Returns a question, and copies without some of its words."""
    salts = range(number * COPIES, (number + 1) * COPIES) if dropout else ()
    return [question, *(left_out(question, dropout, salt) for salt in salts)]
