"""Question answering: from memory, or from a context that holds the answer."""

from collections.abc import Mapping

from lm_envs.checks import check_choice
from lm_envs.tasks import templates
from lm_envs.tasks.examples import column_names, read_rows
from lm_envs.tasks.line import Line, LineTask
from lm_envs.tokenizer import Tokenizer

DEFAULT_REWARDS = {"token_f1": 1.0, "exact_match": 0.0}
MODES = ("closed_book", "extractive")


class QuestionAnswering(LineTask):
    """Answer a question; judged by the words shared with the right answers.

    Args:
        tokenizer: Cuts texts into tokens.
        dataset: "embedded" (facts about a hundred countries), a .jsonl, .csv or .tsv file, or a hub
            dataset such as "squad".
        split: "train", "validation" or "test"; facts are held out, not rows.
        mode: "closed_book", or "extractive", where a context holds the answer.
        columns: Field of the question, of the answer or answers, and of the context, where they
            have other names than "question", "answer", "context".
        prompt_tokens: Most tokens in a prompt; examples with longer ones are left out.
        max_new_tokens: Budget of an episode.
        rewards: Weight of each score; default `DEFAULT_REWARDS`.
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
        if mode == "closed_book":
            del names["context"]
        rows = read_rows(dataset, split, names, "facts")
        lines = [Line(_prompt(row), row["answer"], _kind(row["question"][0])) for row in rows]
        super().__init__(
            tokenizer,
            lines,
            prompt_tokens=prompt_tokens,
            max_new_tokens=max_new_tokens,
            rewards=DEFAULT_REWARDS if rewards is None else rewards,
        )


def _prompt(row: Mapping[str, tuple[str, ...]]) -> str:
    return templates.question(row["question"][0], "", row.get("context", ("",))[0])[0]


def _kind(question: str) -> str:
    """The first words of a question: what has the same may have answers of the same kind."""
    return " ".join(question.split()[:4])
