"""Question answering: from memory, from a context that holds the answer, or by reasoning."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lm_envs.tasks import prompt_templates, reasoning_gym
from lm_envs.tasks.base import Example, Response
from lm_envs.tasks.completion import CompletionItem, CompletionTask
from lm_envs.tasks.datasets import column_names, read_rows
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice

DEFAULT_REWARDS = {"token_f1": 1.0, "exact_match": 0.0}
VERIFIED = "verified"
REASONING_REWARDS = {VERIFIED: 1.0}
MODES = ("closed_book", "extractive")


class QuestionAnswering(CompletionTask):
    """Answer a question; judged by the words shared with the right answers.

    Generated questions have a score of their own, `verified`: what a program that checks the answer
    says of it, 0 to 1.

    Args:
        tokenizer: Cuts texts into tokens.
        dataset: "embedded" (facts about countries), a .jsonl, .csv or .tsv file, or a hub dataset
            such as "squad"; or "reasoning_gym:" and the name of one of its tasks.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]"; facts are
            held out, not rows.
        mode: "closed_book", or "extractive", where a context holds the answer.
        columns: Field of the question, of the answer or answers, and of the context, where they
            have other names than "question", "answer", "context". Line ends in an answer count as
            spaces.
        prompt_tokens: Most tokens in a prompt; examples with longer ones are left out.
        max_new_tokens: Budget of an episode.
        rewards: Weight of each score; default `DEFAULT_REWARDS`, or `REASONING_REWARDS`.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        dataset: str = "embedded",
        split: str = "train",
        mode: str = "closed_book",
        columns: Mapping[str, str] | None = None,
        prompt_tokens: int = 64,
        max_new_tokens: int = 20,
        rewards: Mapping[str, float] | None = None,
    ) -> None:
        check_choice("mode", mode, MODES)
        names = column_names(columns, "question", "answer", "context")
        if dataset.startswith(reasoning_gym.PREFIX):
            _check_generated(dataset, mode, columns)
            lines, default, task_scores = _generated(dataset, split), REASONING_REWARDS, (VERIFIED,)
        else:
            if mode == "closed_book":
                del names["context"]
            lines, default, task_scores = _written(dataset, split, names), DEFAULT_REWARDS, ()
        super().__init__(
            tokenizer,
            lines,
            prompt_tokens=prompt_tokens,
            max_new_tokens=max_new_tokens,
            dataset=dataset,
            rewards=default if rewards is None else rewards,
            task_scores=task_scores,
        )

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """What a verifier says of the answer, where there is one."""
        response = super().respond(example, turns)
        verify = self.line(example).verify if example.targets else None
        if verify is None:
            return response
        return replace(response, task_scores={VERIFIED: verify(turns[-1])})


def _written(dataset: str, split: str, names: Mapping[str, str]) -> list[CompletionItem]:
    rows = read_rows(dataset, split, names, "facts")
    return [CompletionItem(_prompt(row), row["answer"], _kind(row["question"][0])) for row in rows]


def _generated(dataset: str, split: str) -> list[CompletionItem]:
    return [
        CompletionItem(
            prompt_templates.question(each.text, "")[0], (each.answer,), verify=each.verify
        )
        for each in reasoning_gym.questions(dataset, split)
    ]


def _check_generated(dataset: str, mode: str, columns: Mapping[str, str] | None) -> None:
    if mode != "closed_book" or columns:
        raise ValueError(
            f"Got mode={mode!r} and columns={columns!r} with dataset={dataset!r}; allowed: "
            "'closed_book' and no columns, for generated questions have neither context nor fields."
        )


def _prompt(row: Mapping[str, tuple[str, ...]]) -> str:
    return prompt_templates.question(row["question"][0], "", row.get("context", ("",))[0])[0]


def _kind(question: str) -> str:
    """The first words of a question: what has the same may have answers of the same kind."""
    return " ".join(question.split()[:4])
