"""Question answering: from memory, from a context that contains the answer, or by reasoning."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lm_envs.tasks import prompt_templates, reasoning_gym
from lm_envs.tasks.base import Example, Response
from lm_envs.tasks.completion import CompletionItem, CompletionTask
from lm_envs.tasks.datasets import Row, resolve_columns
from lm_envs.tasks.rewards.reward import Weights
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice

DEFAULT_REWARDS = {"token_f1": 1.0, "exact_match": 0.0}
VERIFIED = "verified"
REASONING_REWARDS = {VERIFIED: 1.0}
MODES = ("closed_book", "extractive")


class QuestionAnswering(CompletionTask):
    """Answer a question; scored by the words that the answer shares with the correct answers.

    Prompt: "Question: …", then "Answer:" on the next line; before them "Context: …" in the mode
    "extractive".
    Episode end: terminates at the first line end, the end-of-text token or the token budget.
    Scores: for generated questions `verified`, the result of the program that checks the answer,
    0 to 1. `DEFAULT_REWARDS` pays token F1 and logs exact matches.

    Args:
        tokenizer: Encodes and decodes texts.
        dataset: "embedded" (facts about countries), a .jsonl, .csv or .tsv file, or a hub dataset
            such as "squad"; or "reasoning_gym:" and the name of one of its tasks, perhaps
            with arguments: "reasoning_gym:chain_sum?max_terms=2&max_digits=2".
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]"; facts are
            held out, not rows.
        mode: "closed_book", or "extractive", where a context contains the answer.
        columns: Field of the question, of the answer or answers, and of the context, if they have
            other names than "question", "answer", "context". Line ends in an answer count as
            spaces; the paragraphs of a context that is a list are joined by spaces.
        prompt_tokens: Largest number of tokens in the text of a prompt; longer examples are left
            out. First tokens or a chat template come on top.
        max_new_tokens: Token budget of an episode.
        shots: Number of solved examples before each prompt: the most similar ones of the split
            "train", never the example itself. `prompt_tokens` counts them too.
        rewards: Weight of each score; default `DEFAULT_REWARDS`, or `REASONING_REWARDS`.
    """

    column_names: tuple[str, ...] = ("question", "answer", "context")
    embedded_name = "facts"
    default_rewards: Mapping[str, float] = DEFAULT_REWARDS
    task_scores: tuple[str, ...] = ()

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
        shots: int = 0,
        rewards: Weights | None = None,
    ) -> None:
        check_choice("mode", mode, MODES)
        names = resolve_columns(columns, self.column_names)
        if dataset.startswith(reasoning_gym.PREFIX):
            _check_generated(dataset, mode, columns)
            self.task_scores, self.default_rewards = (VERIFIED,), REASONING_REWARDS
        if mode == "closed_book":
            del names["context"]  # files for this mode need no such field
        self.column_names = tuple(names)
        super().__init__(
            tokenizer,
            dataset=dataset,
            split=split,
            columns=names,
            prompt_tokens=prompt_tokens,
            max_new_tokens=max_new_tokens,
            shots=shots,
            rewards=rewards,
        )

    def load_items(
        self, dataset: str, split: str, columns: Mapping[str, str] | None
    ) -> list[CompletionItem]:
        """Returns the items of a split, from rows or from reasoning_gym."""
        if dataset.startswith(reasoning_gym.PREFIX):
            return [_generated_item(each) for each in reasoning_gym.questions(dataset, split)]
        return super().load_items(dataset, split, columns)

    def make_item(self, row: Row) -> CompletionItem:
        """Returns the item of a question; its group is how the question begins."""
        context = row.joined_text("context") if "context" in row.texts else ""
        prompt, _ = prompt_templates.question(row.text("question"), "", context)
        return CompletionItem(prompt, row.texts["answer"], _beginning(row.text("question")))

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """Ends the episode and verifies the answer, if its question was generated."""
        response = super().respond(example, turns)
        verify = self.item(example).verify if example.targets else None
        if verify is None:
            return response
        return replace(response, task_scores={VERIFIED: verify(turns[-1])})


def _generated_item(generated: reasoning_gym.GeneratedQuestion) -> CompletionItem:
    prompt, _ = prompt_templates.question(generated.text, "")
    return CompletionItem(prompt, (generated.answer,), verify=generated.verify)


def _check_generated(dataset: str, mode: str, columns: Mapping[str, str] | None) -> None:
    if mode != "closed_book" or columns:
        raise ValueError(
            f"Got mode={mode!r} and columns={columns!r} with dataset={dataset!r}; allowed: "
            "'closed_book' and no columns, because generated questions have no context or fields."
        )


def _beginning(question: str) -> str:
    """The first four words: questions that begin alike have answers of the same kind."""
    return " ".join(question.split()[:4])
