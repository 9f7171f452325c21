"""Rules that write a whole text: context words that are not in the question, a label classifier.

Each is a policy over `actions="vocabulary"`, which can write any text, or over the labels offered.
Knows nothing of rewards.
"""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from agents.baselines.rules.lines import Rule
from agents.baselines.rules.prompts import own_prompt
from agents.baselines.rules.reading.label_beliefs import PrefixClassifier
from agents.baselines.rules.reading.payoffs import LabelPayoffs
from agents.evaluation.baselines import Policy
from lm_envs.envs.episode_buffer import EpisodeBuffer
from lm_envs.envs.rows import Observations
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.base import Task
from lm_envs.tasks.question_answering import QuestionAnswering
from lm_envs.tokenizer import Tokenizer

VOCABULARY = "vocabulary"

FIRST_EXAMPLES = 25
"""Examples from which the function words of contexts are learned."""

EXTRACTIVE = re.compile(r"Context: (?P<context>.*)\nQuestion: (?P<question>.*)\nAnswer:", re.DOTALL)
"""Matches a prompt with a context and a question about it."""


def prompt_of_row(episodes: EpisodeBuffer, row: int) -> str:
    """Returns the prompt of a row, as its task made it."""
    return own_prompt(episodes, episodes.examples[row])


def writes(
    text_for: Callable[[Any], str], shown: Callable[[EpisodeBuffer, int], Hashable] = prompt_of_row
) -> Policy:
    """Returns the policy that writes a text for each row, token by token, then the end token.

    Args:
        text_for: Returns the text for what a row shows; called once for each such thing.
        shown: Returns what a row shows: by default its prompt.
    """
    encode: Callable[[Tokenizer, Hashable], np.ndarray] = lru_cache(2**12)(
        lambda tokenizer, found: tokenizer.encode(f" {text_for(found)}")
    )

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        actions, episodes = np.full(env.num_envs, env.engine.end_token), env.episodes
        for row, count in enumerate(episodes.counts.tolist()):
            tokens = encode(env.tokenizer, shown(episodes, row))
            if count < len(tokens):
                actions[row] = tokens[count]
        return actions

    return act


def is_extractive(task: Task) -> bool:
    """Returns whether the task's prompts hold a context and a question about it."""
    if not isinstance(task, QuestionAnswering):
        return False
    return EXTRACTIVE.fullmatch(task.item(task.example(0)).prompt) is not None


def function_words(pairs: Iterable[tuple[str, Sequence[str]]], least: int) -> frozenset[str]:
    """Returns words of contexts that are in no question and in no answer.

    Args:
        pairs: Prompts and the targets of each.
        least: Number of prompts in which a word has to occur; 0 returns no words.
    """
    counts: Counter[str] = Counter()
    for prompt, targets in pairs:
        answer = {_key(word) for target in targets for word in target.split()}
        counts.update({_key(word) for word in _new_words(prompt)} - answer)
    return frozenset(word for word, count in counts.items() if least and count >= least)


def context_words(dropped: frozenset[str]) -> Callable[[str], str]:
    """Returns the function from a prompt to its context's words that are not in the question.

    Args:
        dropped: Words that are left out too, without punctuation and in lower case.
    """

    def text_for(prompt: str) -> str:
        words = [word for word in _new_words(prompt) if _key(word) not in dropped]
        return " ".join(words).strip(" .,;:")

    return text_for


def label_classifier(
    texts: Sequence[str], labels: Sequence[str], penalty: float, payoffs: LabelPayoffs
) -> Rule:
    """Returns the rule that takes the best label by a logistic regression over TF-IDF of words.

    Args:
        texts: Prompts to learn from.
        labels: The label of each.
        penalty: C, the inverse strength of the L2 penalty.
        payoffs: What labels earn; that of least expected cost is taken.

    Raises:
        ImportError: Without scikit-learn.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    features = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = make_pipeline(features, LogisticRegression(C=penalty, max_iter=1000))
    model.fit(list(texts), list(labels))
    classifier = PrefixClassifier(payoffs.labels, model)
    best: Callable[[str], str] = lru_cache(2**14)(
        lambda prompt: payoffs.labels[payoffs.best(classifier.probabilities([prompt])[0])]
    )
    return lambda prompt, turns, options: best(prompt)


def _new_words(prompt: str) -> list[str]:
    """Returns the words of the context that are not in the question, with their punctuation."""
    found = EXTRACTIVE.fullmatch(prompt)
    if found is None:
        return []
    asked = {_key(word) for word in found["question"].split()}
    return [word for word in found["context"].split() if _key(word) not in asked]


def _key(word: str) -> str:
    return word.strip(" .,;:?!()\"'").lower()
