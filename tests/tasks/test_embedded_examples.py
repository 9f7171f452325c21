"""Every embedded example, its options and its order, by one hash for each task and split."""

import hashlib

import pytest

from lm_envs.tasks.classification import Classification
from lm_envs.tasks.knowledge_graph import KnowledgeGraphQA
from lm_envs.tasks.next_word import NextWord
from lm_envs.tasks.paraphrase import Paraphrase
from lm_envs.tasks.question_answering import QuestionAnswering
from lm_envs.tasks.translation import Translation
from tests.tasks.helpers import embedded_tokenizer, option_texts


def fingerprint(task):
    digest = hashlib.sha256()
    for index in range(task.num_examples):
        example = task.example(index)
        ids = example.prompt.tolist(), example.reference.tolist()
        row = (*ids, example.targets, dict(example.columns), option_texts(task, index))
        digest.update(repr(row).encode())
    return digest.hexdigest()[:16]


EXPECTED = {
    (Paraphrase, ()): ["e9bfecc9b40ebad0", "957c7e13015ad1ac", "7f42466b7c616f5c"],
    (QuestionAnswering, ()): ["250e36850074a0d3", "619bc8d1779b9e49", "eee2b27751dcabe8"],
    (QuestionAnswering, (("mode", "extractive"),)): [
        "63e6f6e232183d95",
        "201a42c7dd2c5a6f",
        "be48b9cca175b593",
    ],
    (QuestionAnswering, (("mode", "extractive"), ("held_out", "wordings"))): [
        "f72740c136f32e3c",
        "31ee372af75a0e0a",
        "1042b8f9267f3255",
    ],
    (Translation, ()): ["df29b5f165128bbd", "f6056085c8e51825", "afeced95b2d48aea"],
    (Translation, (("pair", "en-zh"),)): [
        "ab69e95183bcd3f1",
        "44e59504cd55c6c2",
        "bf8db8cdd88dad72",
    ],
    (Classification, ()): ["eb3bec113023f32c", "0da79ee924e3e0d6", "fc71991dea2cb22e"],
    (Classification, (("kind", "language"),)): [
        "ac4473dc54996723",
        "ad4d06e4a855f194",
        "c22c66f0cd6c6408",
    ],
    (Classification, (("kind", "sentiment"),)): [
        "d17e36777ad40f86",
        "24b7013e7badff37",
        "f8fd0ea3ef24299b",
    ],
    (KnowledgeGraphQA, ()): ["44e1a33074f08456", "d2886a555ed0dea8", "0cf826b7adbc0898"],
    (NextWord, ()): ["1134691611db6897", "3ddbf0242eb5b831", "2228e3ab1f5f4b57"],
}
"""By task, and the options that differ from its defaults: hashes of the three splits."""


@pytest.mark.parametrize(("task", "options"), EXPECTED)
def test_embedded_examples_are_the_same_as_in_earlier_versions(task, options):
    found = [
        fingerprint(task(embedded_tokenizer(), split=split, **dict(options)))
        for split in ("train", "validation", "test")
    ]
    assert found == EXPECTED[task, options]
