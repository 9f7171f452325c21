import pytest

from lm_envs.tasks import prompt_templates

DOCUMENTS = [
    (prompt_templates.question("Who?", "Ada"), "Question: Who?\nAnswer:", " Ada"),
    (
        prompt_templates.question("Who?", "Ada", "It was Ada."),
        "Context: It was Ada.\nQuestion: Who?\nAnswer:",
        " Ada",
    ),
    (prompt_templates.translation("yes", "oui", "en-fr"), "English: yes\nFrench:", " oui"),
    (prompt_templates.paraphrase("a b", "b a"), "Text: a b\nParaphrase:", " b a"),
    (prompt_templates.classification("a b", "good", "sentiment"), "Text: a b\nSentiment:", " good"),
]


@pytest.mark.parametrize(("document", "prompt", "completion"), DOCUMENTS)
def test_formats_are_those_that_the_embedded_model_was_trained_on(document, prompt, completion):
    assert document == (prompt, completion)
