"""Which baselines apply to an environment: a list for each kind of environment.

A new baseline is a `Family` and a line here. Runs nothing.
"""

import numpy as np

from agents.baselines.families import (
    Environments,
    Family,
    PolicyRun,
    Setting,
    by_policy,
    fixed,
    grid,
    has_scikit_learn,
)
from agents.baselines.learned_examples import (
    MOST_EXAMPLES,
    LearnedExamples,
    by_learned_policy,
    learned_examples,
)
from agents.baselines.rules import images, subtitles
from agents.baselines.rules.analogy import families as analogy
from agents.baselines.rules.analogy.shown_change import has_shown_examples
from agents.baselines.rules.chains import families as chains
from agents.baselines.rules.customers.families import filtered_customer
from agents.baselines.rules.dialogue import (
    BELIEVED,
    believing_customers,
    believing_trials,
    classified_customers,
    trials,
)
from agents.baselines.rules.dialogue import NAME as CLASSIFIED
from agents.baselines.rules.frequent import frequent_tokens, pays_overlap
from agents.baselines.rules.guided import guided_greedy, pays_sentiment
from agents.baselines.rules.lines import by_rule, polite_greedy, relation_lookup
from agents.baselines.rules.memory import translation_memory
from agents.baselines.rules.reading import families as reading
from agents.baselines.rules.simultaneous import families as simultaneous
from agents.baselines.rules.spans import families as spans
from agents.baselines.rules.surrogate import families as surrogate
from agents.baselines.rules.texts import (
    FIRST_EXAMPLES,
    VOCABULARY,
    context_words,
    function_words,
    is_extractive,
    writes,
)
from agents.baselines.rules.tokens import (
    COMPLETION,
    WHOLE_TEXT,
    echo_bonus,
    has_pointer,
    no_repeat,
    pointer_belief,
)
from agents.baselines.rules.tuning import eviction, expected_attention, line_search
from agents.baselines.rules.tuning.importance import has_probes, least_important_first
from agents.baselines.rules.tuning.training import scheduled, trains
from agents.config.train import TrainConfig
from agents.evaluation.baselines import DRAWN, Policy, baselines_of, sampling, top_p
from agents.observations.customer_beliefs import shows_beliefs
from lm_envs.envs.actions.choices import ChoiceActions
from lm_envs.envs.actions.read_write import ReadWriteActions
from lm_envs.envs.actions.show_words import ShowWordsActions
from lm_envs.envs.actions.top_k import TopKActions
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.weight_tuning import WeightTuner
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.base import Task, as_image_task
from lm_envs.tasks.classification import Classification
from lm_envs.tasks.completion import CompletionTask
from lm_envs.tasks.data.solved_examples import MOST_POOL
from lm_envs.tasks.datasets import EMBEDDED
from lm_envs.tasks.dialogue import Dialogue
from lm_envs.tasks.knowledge_graph import KnowledgeGraphQA
from lm_envs.tasks.question_answering import QuestionAnswering
from lm_envs.tasks.simulators.varied_customer import VariedCustomer

SIZES = (1, 2, 3, 4)
TEMPERATURES = (0.3, 0.5, 0.7, 0.85, 1.0, 1.3)
SHARES = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
BONUSES = (-4.0, -2.0, -1.0, 1.0, 2.0, 4.0, 8.0)
WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
FEW_WEIGHTS = (0.3, 0.5, 0.7)
COUNTS = (0, 1, 2, 3)
DELAYS = (1.0, 2.0, 4.0)
EXPONENTS = (0.2, 0.35, 0.5, 0.7)
REPEAT_PENALTIES = (1.0, 2.0, 4.0)
STRENGTHS = (4.0, 8.0, 16.0, 32.0, 64.0, 128.0)

LEAST_GAINS = (-0.02, 0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12)
GROWTHS = (0.0, 0.0025, 0.005, 0.01, 0.02)
CHANGES = (0.5, 1.0)
MOST_SIMILAR = (1, 4, 16)
READ = "train"
"""Split that the embedded model has read, and that examples in prompts come from: a memory may know
it too."""

ASK_REWARD = {"each part tried"}
"""Rules of environments that compute the losses of the evaluated passages before they act."""


def families(environments: Environments, split: str) -> list[Family]:
    """Returns the baselines that apply to a configuration's environment.

    Args:
        environments: Makes rows of it.
        split: A split whose rows are needed anyway.
    """
    env = environments.get(split)
    found = [*_fixed(env)]
    if isinstance(env, TuningVectorEnv):
        found += _model_rules(env)
    if isinstance(env, LanguageVectorEnv) and env.actions.is_ranked:
        if env.actions.has_model_probabilities and not isinstance(env.actions, ChoiceActions):
            found += [*_sampled(), *_token_rules(env)]
        found += _task_rules(environments, env)
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
    if pays_sentiment(env):
        pairs = [[strength, size] for size in (0, 2) for strength in STRENGTHS]
        run = by_policy(lambda pair, seed: guided_greedy(*pair))
        found.append(Family("guided greedy", grid(*pairs), run))
    if pays_overlap(env):
        pairs = [[exponent, penalty] for exponent in EXPONENTS for penalty in REPEAT_PENALTIES]
        found.append(Family("frequent tokens", grid(*pairs), by_learned_policy(frequent_tokens)))
    if has_pointer(env):
        pairs = [[weight, bonus] for bonus in (0.0, 2.0) for weight in WEIGHTS]
        run = by_policy(lambda pair, seed: pointer_belief(*pair))
        found.append(Family("pointer, tuned", grid(*pairs), run, is_cheap=True))
        few = [pair for pair in pairs if pair[0] in FEW_WEIGHTS]
        longer = [[*pair, delay] for pair in few for delay in DELAYS]
        found.append(Family("pointer, later end", grid(*longer), run))
    return found


def _task_rules(environments: Environments, env: LanguageVectorEnv) -> list[Family]:
    """Returns the rules that only one task has."""
    task, found = env.task, []
    if isinstance(env.actions, ChoiceActions):
        found += _line_rules(env)
    if isinstance(env.actions, ReadWriteActions):
        found += simultaneous.families()
    if isinstance(env.actions, ShowWordsActions):
        run = by_policy(lambda weights, seed: subtitles.weighted_words(weights))
        found.append(Family(subtitles.NAME, grid(*subtitles.trials()), run))
    if isinstance(task, CompletionTask) and isinstance(env.actions, TopKActions):
        known = [None, READ] if _knows_more(environments.config) else [None]
        pairs = [[tried, also] for also in known for tried in MOST_SIMILAR]
        found.append(Family("translation memory", grid(*pairs), PolicyRun(_memory, VOCABULARY)))
    if has_shown_examples(task) and isinstance(env.actions, TopKActions):
        found += analogy.families()
    found += _context_rules(task) if is_extractive(task) else []
    if (shown := as_image_task(task)) is not None:
        found += images.families(task)
        if images.has_classes(shown) and has_scikit_learn(images.CLASSIFIER):
            found.append(images.classifier())
    return found


def _context_rules(task: Task) -> list[Family]:
    """Returns the rules for questions with a context."""
    run = by_learned_policy(_context_words, VOCABULARY)
    found = [Family("context words", grid(*COUNTS), run)]
    if isinstance(task, QuestionAnswering) and task.has_wordings and has_scikit_learn(spans.READER):
        found += spans.families()
    return found


def _line_rules(env: LanguageVectorEnv) -> list[Family]:
    """Returns the rules that choose among the lines of one task."""
    task, found = env.task, list[Family]()
    if isinstance(task, KnowledgeGraphQA):
        run = by_policy(lambda setting, seed: by_rule(relation_lookup))
        found.append(Family("relation lookup", fixed, run, is_cheap=True))
        found += [] if task.is_simple else chains.families(has_scikit_learn(chains.REGRESSION))
    if isinstance(task, Dialogue):
        run = by_policy(lambda setting, seed: polite_greedy())
        found.append(Family("polite greedy", fixed, run, is_cheap=True))
        if isinstance(task.customers[0], VariedCustomer) and has_scikit_learn(CLASSIFIED):
            run = by_learned_policy(classified_customers())
            found += [Family(CLASSIFIED, grid(*trials()), run), filtered_customer()]
            if shows_beliefs(env.single_observation_space):
                run = by_policy(believing_customers)
                found.append(Family(BELIEVED, grid(*believing_trials()), run))
    if isinstance(task, Classification) and has_scikit_learn(reading.REGRESSION):
        found += reading.families() if task.is_sequential else [reading.whole_text()]
    return found


def _model_rules(env: TuningVectorEnv) -> list[Family]:
    """Returns the rules that adjust a model."""
    found: list[Family] = []
    if isinstance(env.tuner, WeightTuner):
        run = by_policy(lambda change, seed: line_search.line_search(change))
        found.append(Family(line_search.NAME, grid(*CHANGES), run))
        found.append(surrogate.settings_search())
    if has_probes(env):
        pairs = [[least, growth] for growth in GROWTHS for least in LEAST_GAINS]
        run = by_policy(lambda pair, seed: least_important_first(*pair))
        found.append(Family("least important parts first", grid(*pairs), run))
        found.append(surrogate.structure_search())
    if trains(env):
        found.append(scheduled(env))
    if eviction.evicts(env):
        run = by_policy(lambda weights, seed: eviction.weighted_entries(weights))
        found.append(Family(eviction.NAME, grid(*eviction.trials()), run))
        if has_scikit_learn(expected_attention.NAME):
            found.append(expected_attention.least_expected_attention())
    return found


def _context_words(examples: LearnedExamples, least: float, seed: int) -> Policy:
    return writes(context_words(function_words(examples.pairs(FIRST_EXAMPLES), int(least))))


def _knows_more(config: TrainConfig) -> bool:
    """Returns whether the model reads examples that the agent does not learn from.

    The embedded model has read them before, any model reads those that are shown in its prompts.
    """
    is_embedded = config.env.kwargs.get("dataset", EMBEDDED) == EMBEDDED
    return (is_embedded or _shows_examples(config)) and config.env.split != READ


def _shows_examples(config: TrainConfig) -> bool:
    return bool(config.env.kwargs.get("shots"))


def _memory(
    environments: Environments, split: str, judged: np.ndarray, setting: Setting, seed: int
) -> Policy:
    """Knows the agent's examples; with a setting [tried, split] those of a further split too."""
    tried, also = setting
    most = MOST_POOL if _shows_examples(environments.config) else MOST_EXAMPLES
    known = {}
    for learned in dict.fromkeys((also, environments.config.env.split)):
        if learned is not None:
            found = learned_examples(environments, split, judged, VOCABULARY, learned, most)
            known |= {prompt: targets[0] for prompt, targets in found.pairs()}
    return writes(translation_memory(known, int(tried)))
