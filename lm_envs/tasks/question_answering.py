"""Question answering: from memory, from a context that contains the answer, or by reasoning."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lm_envs.tasks import prompt_templates, reasoning_gym
from lm_envs.tasks.base import Example, Response
from lm_envs.tasks.completion import CompletionItem, CompletionTask
from lm_envs.tasks.datasets import EMBEDDED, Row, resolve_columns
from lm_envs.tasks.rewards.reward import Weights
from lm_envs.tasks.simulators.country_questions import CountryQuestion, country_questions
from lm_envs.tasks.splits import SplitSpec
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice

DEFAULT_REWARDS = {"token_f1": 1.0, "exact_match": 0.0}
VERIFIED = "verified"
REASONING_REWARDS = {VERIFIED: 1.0}
CLOSED_BOOK, EXTRACTIVE = MODES = ("closed_book", "extractive")

FACTS, WORDINGS = "facts", "wordings"

PROMPT_TOKENS, LONG_PROMPT_TOKENS = 64, 176
"""Default of `prompt_tokens`; the second with held-out wordings, whose prompts all fit."""


class QuestionAnswering(CompletionTask):
    """Answer a question; scored by the words that the answer shares with the correct answers.

    Prompt: "Question: …", then "Answer:" on the next line; before them "Context: …" in the mode
    "extractive".
    Episode end: terminates at the first line end, the end-of-text token or the token budget.
    Scores: for generated questions `verified`, the result of the program that checks the answer,
    0 to 1. `DEFAULT_REWARDS` pays token F1 and logs exact matches.

    With held-out wordings a context is a paragraph of four to eight facts of a country, in a drawn
    order, with several values of the answer's kind; see `simulators.country_questions`.

    Args:
        tokenizer: Encodes and decodes texts.
        dataset: "embedded" (facts about countries), a .jsonl, .csv or .tsv file, or a hub dataset
            such as "squad"; or "reasoning_gym:" and the name of one of its tasks, perhaps
            with arguments: "reasoning_gym:chain_sum?max_terms=2&max_digits=2".
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]"; facts are
            held out, not rows.
        mode: "closed_book", or "extractive", where a context contains the answer.
        held_out: "facts", or in the mode "extractive" "wordings" for embedded questions in
            wordings, and about countries, that no other split has.
        columns: Field of the question, of the answer or answers, and of the context, if they have
            other names than "question", "answer", "context". Line ends in an answer count as
            spaces; the paragraphs of a context that is a list are joined by spaces.
        prompt_tokens: Largest number of tokens in the text of a prompt; longer examples are left
            out. First tokens or a chat template come on top. Default 64, and 176 with held-out
            wordings.
        max_new_tokens: Token budget of an episode.
        shots: Number of solved examples before each prompt: the most similar ones of the split
            "train", never the example itself. `prompt_tokens` counts them too.
        rewards: Weight of each score; default `DEFAULT_REWARDS`, or `REASONING_REWARDS`.

    Attributes:
        has_wordings: Whether wordings are held out.
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
        mode: str = CLOSED_BOOK,
        held_out: str = FACTS,
        columns: Mapping[str, str] | None = None,
        prompt_tokens: int | None = None,
        max_new_tokens: int = 20,
        shots: int = 0,
        rewards: Weights | None = None,
    ) -> None:
        check_choice("mode", mode, MODES)
        check_choice("held_out", held_out, (FACTS, WORDINGS))
        self.has_wordings = held_out == WORDINGS
        if self.has_wordings:
            _check_embedded(mode, dataset, columns)
        if prompt_tokens is None:
            prompt_tokens = LONG_PROMPT_TOKENS if self.has_wordings else PROMPT_TOKENS
        names = resolve_columns(columns, self.column_names)
        if dataset.startswith(reasoning_gym.PREFIX):
            _check_generated(dataset, mode, columns)
            self.task_scores, self.default_rewards = (VERIFIED,), REASONING_REWARDS
        if mode == CLOSED_BOOK:
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
        """Returns the items of a split: from rows, from countries, or from reasoning_gym."""
        if self.has_wordings:
            spec = SplitSpec.parse(split)
            found = [_country_item(each) for each in country_questions(spec.name)]
            return spec.select(found, lambda item: item.prompt)
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


def _country_item(asked: CountryQuestion) -> CompletionItem:
    prompt, _ = prompt_templates.question(asked.question, "", asked.context)
    columns = {"subject": asked.subject, "relation": asked.relation, "place": asked.place}
    return CompletionItem(prompt, (asked.answer,), asked.relation, columns=columns)


def _check_embedded(mode: str, dataset: str, columns: Mapping[str, str] | None) -> None:
    if (mode, dataset, columns or None) != (EXTRACTIVE, EMBEDDED, None):
        raise ValueError(
            f"Got held_out={WORDINGS!r} with mode={mode!r}, dataset={dataset!r} and "
            f"columns={columns!r}; allowed: embedded questions with mode='extractive'."
        )


def _check_generated(dataset: str, mode: str, columns: Mapping[str, str] | None) -> None:
    if mode != CLOSED_BOOK or columns:
        raise ValueError(
            f"Got mode={mode!r} and columns={columns!r} with dataset={dataset!r}; allowed: "
            "'closed_book' and no columns, because generated questions have no context or fields."
        )


def _beginning(question: str) -> str:
    """The first four words: questions that begin alike have answers of the same kind."""
    return " ".join(question.split()[:4])
