"""Supervised finetuning: the agent's own language model learns the references of its examples.

The counterpart of `cloning` for runs of `agents.finetune`. Owns which numbers of steps and which
learning rates are tried.
"""

from agents.baselines.families import Family, grid
from agents.baselines.learned_examples import LearnedExamples, by_learned_policy
from agents.config.finetune import FinetuneConfig
from agents.evaluation.baselines import Policy
from agents.evaluation.rollouts import agent_policy
from agents.language_model.policy import LanguageModelPolicy
from agents.language_model.warm_start import warm_start
from agents.runs.finished import untrained_agent

NAME = "supervised"
STEPS = (25, 100)
RATES = (3.0e-5, 1.0e-4, 3.0e-4)
BATCH = 32


def supervised(config: FinetuneConfig) -> Family:
    """Returns the family of supervised finetuning, whose setting is the steps and the rate.

    Args:
        config: Of the run: its model, adapters and examples are those of the agent.
    """

    def learn(examples: LearnedExamples, setting: tuple[int, float], seed: int) -> Policy:
        steps, rate = setting
        model = untrained_agent(config.model_copy(update={"seed": seed}))
        assert isinstance(model.policy, LanguageModelPolicy)
        task = examples.language_env.task
        options = {"steps": int(steps), "learning_rate": rate, "batch_size": BATCH, "seed": seed}
        for _ in warm_start(model.policy, task, **options):
            pass
        return agent_policy(model)

    settings = [[steps, rate] for steps in STEPS for rate in RATES]
    return Family(NAME, grid(*settings), by_learned_policy(learn), is_drawn=True)
