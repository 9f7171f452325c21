"""`lm_envs/TrainingControl-v0`: control the training of a language model."""

from collections.abc import Callable
from functools import partial
from typing import Any

from lm_envs.envs.single_env import RowEnv
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.editing import EditingTuner
from lm_envs.envs.tuning.training import TrainingTuner
from lm_envs.envs.tuning.tuner import Tuner
from lm_envs.model.loading import INT8
from lm_envs.validation import check_count, check_number


class TrainingControlVectorEnv(TuningVectorEnv):
    """`TrainingControlEnv` with N rows.

    Args:
        num_envs: N.
        passages: Number of examples of an episode; half are learned, half are held out.
        edits: Number of examples, fewer than `passages`, that are learned and judged; the others
            must not be harmed. None to judge by held-out examples.
        harm: With `edits`, what it costs if the loss of the others rises by one nat a token;
            default 1.
        optimiser_steps: Steps of AdamW that one action sets.
        price: Cost of one adjustment, nats a token.
        dtype: "auto", "float32" or "bfloat16", that of matrix products.
        arguments: Of `TuningVectorEnv`, such as `task`, `passages` and `adjustments`.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        task: str = "question_answering",
        passages: int = 64,
        edits: int | None = None,
        harm: float | None = None,
        adjustments: int = 8,
        optimiser_steps: int = 4,
        price: float = 0.02,
        dtype: str = "auto",
        **arguments: Any,  # noqa: ANN401 - of TuningVectorEnv
    ) -> None:
        check_count("optimiser_steps", optimiser_steps)
        check_number("price", price)
        check_count("passages", passages, least=2)
        _check_edits(edits, harm, passages)
        if dtype == INT8:
            raise ValueError("Got dtype='int8' for training; allowed: auto, float32, bfloat16.")
        make: Callable[..., Tuner] = TrainingTuner
        if edits is not None:
            make = partial(EditingTuner, edits=edits, harm=1.0 if harm is None else harm)
        super().__init__(
            num_envs,
            lambda model, folder: make(num_envs, folder, model, optimiser_steps, price),
            task=task,
            passages=passages,
            adjustments=adjustments,
            dtype=dtype,
            **arguments,
        )


def _check_edits(edits: int | None, harm: float | None, passages: int) -> None:
    """Raises ValueError unless some passages are learned and some are left to harm."""
    if harm is not None:
        check_number("harm", harm)
        if edits is None:
            raise ValueError(
                f"Got harm={harm} without edits; allowed: both, since held-out passages are not "
                "harmed. Set edits, or leave harm out."
            )
    if edits is None:
        return
    check_count("edits", edits)
    if edits >= passages:
        raise ValueError(
            f"Got edits={edits} with passages={passages}; allowed: fewer, because the others show "
            "the harm. Raise passages."
        )


class TrainingControlEnv(RowEnv):
    """Control the training of a language model: learning rate, weight decay, frozen layers, end.

    Passages, information, shared arguments and the vectorized environment: see `TuningVectorEnv`.

    ## Description
    An episode trains a model from its checkpoint on half of the episode's passages; the loss of the
    other half, which is held out, is the measure. Each step sets the next `optimiser_steps` steps
    of AdamW, on batches of eight passages, and performs them.

    With `edits=n` the model learns the first n passages by heart, as in model editing: their own
    loss is the measure, and the loss of the others, which it is not trained on, must not rise.

    ## Action Space
    `Box(-1, 1, (3 + L,))`: training ends if the first number is over 0.5; the learning rate is
    3e-4 times 10 to the power of the second; the third sets the weight decay, from 0 to 0.1; layer
    l is frozen if number 3 + l is over 0.

    ## Observation Space
    `Box(3 + (3 + L) + 1,)`: by how much the held-out loss has fallen, nats a token; by how much the
    training loss has fallen, as the last optimizer steps measured it; the gradient's norm, at most
    100; the last action (3 + L); the share of adjustments left.

    With `edits` `Box(6 + (3 + L) + 1,)`: by how much the loss of the learned passages has fallen;
    that loss; by how much the loss of the others has risen; how much of both changes the last step
    made; the logarithm of 1 plus the gradient's norm; the last action; the share left.

    ## Rewards
    By how much this step raised the potential: the fall of the held-out loss, nats a token, less
    `price` for each step. A frozen layer saves the multiplications for its own gradient, a third of
    its share of the price. With `edits` the potential is the fall of the learned passages' loss,
    less `harm` times the rise of the others' loss if it is over 0.

    ## Starting State
    The checkpoint.

    ## Episode End
    Terminates when the agent ends the training, and after `adjustments` steps. Truncates after
    `max_steps`.

    ## Arguments
    Those of `TuningVectorEnv`; `edits`, `harm`, `optimiser_steps` and `price`. `scores`: `reward`,
    `loss`, `cost`, and with `edits` `other_rise`. Then each example begins one episode's passages.
    Weights are always float32; with `dtype="bfloat16"` matrix products are bfloat16. The rows are
    trained one after the other; each needs four times the memory of the weights, and one more copy
    of the first weights.

    Example:
        >>> import gymnasium as gym
        >>> import lm_envs
        >>> env = gym.make("lm_envs/TrainingControl-v0", split="validation")
        >>> observation, info = env.reset(seed=0)
        >>> action = env.action_space.sample() * 0 - 1.0
        >>> action[1] = 0.0  # a rate of 3e-4
        >>> observation, reward, terminated, truncated, info = env.step(action)
        >>> reward > 0.1
        True
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - as TrainingControlVectorEnv
        super().__init__(TrainingControlVectorEnv, **arguments)
