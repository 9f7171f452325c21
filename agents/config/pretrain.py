"""Configuration of `python -m agents.pretrain`; the attributes are the YAML keys."""

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from agents.config.loading import Config
from agents.corpus.documents import PARTS
from lm_envs.validation import check_choice


class Shape(Config):
    """Shape of the GPT-2, with the keys of its `config.json`."""

    n_layer: PositiveInt
    n_head: PositiveInt
    n_embd: PositiveInt
    n_positions: PositiveInt


class PretrainConfig(Config):
    """A pretraining run.

    Attributes:
        run: Folder of logs and checkpoints.
        vocab_size: Tokens of the byte-level BPE, the end-of-text token included.
        context: Tokens in a training window, at most `model.n_positions`.
        mix: Weight of each part of the corpus in a batch, 0 or more; 0 for parts left out.
    """

    run: str
    model: Shape
    vocab_size: int = Field(ge=257, le=65_535)
    num_steps: PositiveInt
    batch_size: PositiveInt = 32
    context: PositiveInt = 256
    mix: dict[str, float]
    learning_rate: PositiveFloat = 2.0e-3
    warmup_steps: PositiveInt = 100
    weight_decay: float = Field(default=0.1, ge=0.0)
    max_grad_norm: PositiveFloat = 1.0
    bfloat16: bool = True
    log_every: PositiveInt = 10
    evaluate_every: PositiveInt = 200
    checkpoint_every: PositiveInt = 200
    seed: int = 0

    @field_validator("mix")
    @classmethod
    def _parts(cls, mix: dict[str, float]) -> dict[str, float]:
        for part, weight in mix.items():
            check_choice("part of the corpus", part, PARTS)
            if not weight >= 0.0:
                raise ValueError(f"weight {weight} of {part!r}; allowed: 0 or more")
        if not any(mix.values()):
            raise ValueError(f"no weight above 0; allowed: weights of {', '.join(PARTS)}")
        return mix
