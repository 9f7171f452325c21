"""Three models that disagree, and texts for them."""

import pytest
import torch

from benchmarks.competitors import rl4lms_models
from tests.benchmarks.competitors.teacher_forcing import PROMPT

NEW = 7


@pytest.fixture
def models(checkpoint):
    """Moves the weights of the critic and of the frozen model a little."""
    models = rl4lms_models.Models.load(checkpoint)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in (*models.critic.parameters(), *models.frozen.parameters()):
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
    return models


@pytest.fixture
def tokens():
    shape = (3, PROMPT + NEW)
    return torch.randint(0, 700, shape, generator=torch.Generator().manual_seed(2))
