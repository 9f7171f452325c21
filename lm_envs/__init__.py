"""Language models as Gymnasium environments.

Importing this registers the environments; it loads neither torch nor a model.
"""

import gymnasium as gym

__version__ = "0.1.0"

_MODULES = {
    "NextWord": "next_word",
    "Paraphrase": "paraphrase",
    "QuestionAnswering": "question_answering",
    "KnowledgeGraphQA": "knowledge_graph",
    "Translation": "translation",
    "Classification": "classification",
    "Dialogue": "dialogue",
    "WeightTuning": "weight_tuning",
    "TrainingControl": "training_control",
    "StructureSearch": "structure_search",
}

for _name, _module in _MODULES.items():
    _entry = f"lm_envs.envs.{_module}:{_name}"
    gym.register(
        f"lm_envs/{_name}-v0", entry_point=f"{_entry}Env", vector_entry_point=f"{_entry}VectorEnv"
    )
