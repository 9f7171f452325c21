"""Which baselines apply to an environment: a list for each kind of environment.

A new baseline is a `Family` and a line here. Runs nothing.
"""

import typer

from agents.baselines import image_rules
from agents.baselines.cloning import cloned
from agents.baselines.families import Environments, Family, by_policy, fixed, grid
from agents.baselines.learned_examples import LearnedExamples, by_learned_policy
from agents.baselines.line_rules import by_rule, polite_greedy, relation_lookup
from agents.baselines.searches import searches
from agents.baselines.text_rules import (
    FIRST_EXAMPLES,
    VOCABULARY,
    context_words,
    function_words,
    is_extractive,
    label_classifier,
    prompt_of_row,
    writes,
)
from agents.baselines.token_rules import (
    COMPLETION,
    WHOLE_TEXT,
    echo_bonus,
    no_repeat,
    pointer_belief,
)
from agents.evaluation.baselines import DRAWN, Policy, baselines_of, sampling, top_p
from lm_envs.envs.actions.choices import ChoiceActions
from lm_envs.envs.actions.read_write import ReadWriteActions
from lm_envs.envs.actions.top_k import TopKActions
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.base import as_image_task
from lm_envs.tasks.classification import Classification
from lm_envs.tasks.dialogue import Dialogue
from lm_envs.tasks.knowledge_graph import KnowledgeGraphQA

SIZES = (1, 2, 3, 4)
TEMPERATURES = (0.3, 0.5, 0.7, 0.85, 1.0, 1.3)
SHARES = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
BONUSES = (-4.0, -2.0, -1.0, 1.0, 2.0, 4.0, 8.0)
WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
COUNTS = (0, 1, 2, 3)

ASK_REWARD = {"each part tried"}
"""Rules of environments that compute the losses of the evaluated passages before they act."""


def requested_families(
    environments: Environments, split: str, *, search: bool, clone: bool
) -> list[Family]:
    """Returns the baselines that apply, with those that take longer if they are requested.

    Args:
        environments: Makes rows.
        split: The evaluated split.
        search: With beams and best of n, or constant settings by evolution.
        clone: With the imitation of the oracle by the configuration's network.

    Raises:
        UserError: If nothing can be cloned.
    """
    clones = [cloned(environments.config)] if clone else []  # first, because it may be refused
    found = families(environments, split)
    found += searches(environments, split) if search else []
    return found + clones


def families(environments: Environments, split: str) -> list[Family]:
    """Returns the baselines that apply to a configuration's environment.

    Args:
        environments: Makes rows of it.
        split: A split whose rows are needed anyway.
    """
    env = environments.get(split)
    found = [*_fixed(env)]
    if isinstance(env, LanguageVectorEnv) and env.actions.is_ranked:
        if not isinstance(env.actions, (ReadWriteActions, ChoiceActions)):
            found += [*_sampled(), *_token_rules(env)]
        found += _task_rules(env)
    return found


def _fixed(env: EpisodicVectorEnv) -> list[Family]:
    """Returns the baselines without a setting."""
    return [
        Family(
            name,
            fixed,
            by_policy(lambda setting, seed, name=name: baselines_of(env)[name](seed)),
            is_drawn=name in DRAWN,
            uses_reward=name in ASK_REWARD,
            is_cheap=True,
        )
        for name in baselines_of(env)
    ]


def _sampled() -> list[Family]:
    """Returns sampling at a chosen temperature, and from the likeliest candidates."""
    return [
        Family("sampling, tuned", grid(*TEMPERATURES), by_policy(sampling), is_drawn=True),
        Family("top-p, tuned", grid(*SHARES), by_policy(top_p), is_drawn=True),
    ]


def _token_rules(env: LanguageVectorEnv) -> list[Family]:
    """Returns the rules for actions that write one token."""
    sizes = [[size, scope] for scope in (COMPLETION, WHOLE_TEXT) for size in SIZES]
    found = [
        Family(
            "no-repeat greedy",
            grid(*sizes),
            by_policy(lambda pair, seed: no_repeat(*pair)),
            is_cheap=True,
        ),
        Family("echo greedy", grid(*BONUSES), by_policy(lambda bonus, seed: echo_bonus(bonus))),
    ]
    if isinstance(env.actions, TopKActions) and env.actions.copied is not None:
        pairs = [[weight, bonus] for bonus in (0.0, 2.0) for weight in WEIGHTS]
        run = by_policy(lambda pair, seed: pointer_belief(*pair))
        found.append(Family("pointer, tuned", grid(*pairs), run, is_cheap=True))
    return found


def _task_rules(env: LanguageVectorEnv) -> list[Family]:
    """Returns the rules that only one task has."""
    task, is_choice = env.task, isinstance(env.actions, ChoiceActions)
    found: list[Family] = []
    if isinstance(task, KnowledgeGraphQA) and is_choice:
        run = by_policy(lambda setting, seed: by_rule(relation_lookup))
        found.append(Family("relation lookup", fixed, run, is_cheap=True))
    if isinstance(task, Dialogue) and is_choice:
        run = by_policy(lambda setting, seed: polite_greedy())
        found.append(Family("polite greedy", fixed, run, is_cheap=True))
    if is_extractive(task):
        run = by_learned_policy(_context_words, VOCABULARY)
        found.append(Family("context words", grid(*COUNTS), run))
    if as_image_task(task) is not None:
        found += image_rules.families(task)
    if isinstance(task, Classification) and is_choice and _has_scikit_learn():
        run = by_learned_policy(_classifier)
        found.append(Family("logistic regression", grid(*PENALTIES), run))
    return found


def _context_words(examples: LearnedExamples, least: float) -> Policy:
    rule = context_words(function_words(examples.pairs(FIRST_EXAMPLES), int(least)))
    return writes(rule, prompt_of_row)


def _classifier(examples: LearnedExamples, penalty: float) -> Policy:
    pairs = examples.pairs()
    texts, labels = [prompt for prompt, _ in pairs], [targets[0] for _, targets in pairs]
    return by_rule(label_classifier(texts, labels, penalty))


def _has_scikit_learn() -> bool:
    """Returns whether scikit-learn is installed; reports that a baseline is left out if not."""
    try:
        import sklearn  # noqa: F401 - of the extra "dev"
    except ImportError:
        message = "The baseline 'logistic regression' is left out: pip install scikit-learn."
        typer.echo(message, err=True)
        return False
    return True
