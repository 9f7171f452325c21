"""Text in, floats out: the tasks, their examples and their scores. Knows no tensors."""

from lm_envs.tasks.classification import Classification
from lm_envs.tasks.dialogue import Dialogue
from lm_envs.tasks.knowledge_graph import KnowledgeGraphQA
from lm_envs.tasks.next_word import NextWord
from lm_envs.tasks.paraphrase import Paraphrase
from lm_envs.tasks.question_answering import QuestionAnswering
from lm_envs.tasks.translation import Translation

TASKS = {
    "next_word": NextWord,
    "paraphrase": Paraphrase,
    "question_answering": QuestionAnswering,
    "knowledge_graph": KnowledgeGraphQA,
    "translation": Translation,
    "classification": Classification,
    "dialogue": Dialogue,
}
"""Every task by name; the only list to edit for a new one."""
