"""Language models as Gymnasium environments.

Importing this registers the environments; it loads neither torch nor a model.
"""

import gymnasium as gym

__version__ = "0.1.0"

_MODULES = {
    "NextWord": "ids.next_word",
    "Paraphrase": "ids.paraphrase",
    "QuestionAnswering": "ids.question_answering",
    "KnowledgeGraphQA": "ids.knowledge_graph",
    "Translation": "ids.translation",
    "Classification": "ids.classification",
    "Dialogue": "ids.dialogue",
    "WeightTuning": "tuning.weight_tuning",
    "TrainingControl": "tuning.training_control",
    "StructureSearch": "tuning.structure_search",
}

for _name, _module in _MODULES.items():
    _entry = f"lm_envs.envs.{_module}:{_name}"
    gym.register(
        f"lm_envs/{_name}-v0", entry_point=f"{_entry}Env", vector_entry_point=f"{_entry}VectorEnv"
    )
