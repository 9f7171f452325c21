"""Action kinds: what an agent's action means, and what it writes."""

from lm_envs.envs.actions.base import Actions, Setup
from lm_envs.envs.actions.choices import ChoiceActions
from lm_envs.envs.actions.embedding import EmbeddingActions
from lm_envs.envs.actions.read_write import ReadWriteActions
from lm_envs.envs.actions.show_words import ShowWordsActions
from lm_envs.envs.actions.token_actions import TokenActions
from lm_envs.envs.actions.top_k import TopKActions
from lm_envs.envs.actions.vocabulary import VocabularyActions

__all__ = [
    "Actions",
    "ChoiceActions",
    "EmbeddingActions",
    "ReadWriteActions",
    "Setup",
    "ShowWordsActions",
    "TokenActions",
    "TopKActions",
    "VocabularyActions",
]
