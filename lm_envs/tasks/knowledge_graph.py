"""Question answering over a knowledge graph: walk from entity to entity, and stop at the answer."""

from collections.abc import Mapping, Sequence

from lm_envs.tasks.base import Example, Option, Response
from lm_envs.tasks.completion import EMBEDDED, warn_left_out
from lm_envs.tasks.datasets import read_rows
from lm_envs.tasks.fact_graph import STOP, Fact, FactGraph, PathQuestion
from lm_envs.tasks.rewards.reward import Reward
from lm_envs.tasks.splits import Part, split_of
from lm_envs.tasks.text_normalization import one_line
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice, check_count

DEFAULT_REWARDS = {"correct": 1.0, "closeness": 0.5, "moves": -0.2}
HELD_OUT = 0.1


class KnowledgeGraphQA:
    """Follow relations through a graph of facts about countries; judged by where the walk stops.

    The task's own scores are `correct` (1 if the walk stopped at the answer), `closeness` (the
    share of the way to the answer that was made good) and `moves` (the share of the turns that were
    used). All facts are in the graph; questions are held out.

    Args:
        tokenizer: Cuts texts into tokens.
        dataset: "embedded", or a file with the columns subject, relation, answer and question. Rows
            with a field "graph" that is not "yes" are left out. Line ends in a field count as
            spaces.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]", of the
            questions.
        hops: 1, 2, or None for both: edges between the start and the answer.
        max_turns: Most turns; a walk that has not stopped by then has failed.
        prompt_tokens: Most tokens in a prompt; questions with longer ones are left out.
        rewards: Weight of each score; default `DEFAULT_REWARDS`.
    """

    task_scores = ("correct", "closeness", "moves")

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        dataset: str = "embedded",
        split: str = "train",
        hops: int | None = None,
        max_turns: int = 5,
        prompt_tokens: int = 64,
        rewards: Mapping[str, float] | None = None,
    ) -> None:
        part = Part.parse(split)
        check_choice("hops", hops, (None, 1, 2))
        check_count("max_turns", max_turns)
        check_count("prompt_tokens", prompt_tokens)
        self.prompt_tokens, self.max_turns = prompt_tokens, max_turns
        self.reward = Reward(DEFAULT_REWARDS if rewards is None else rewards, self.task_scores)
        self._tokenizer = tokenizer
        self._graph = FactGraph(_facts(dataset))
        self._lines = (*self._graph.relations, STOP)
        self.num_options = len(self._lines)
        path_questions = [
            quest for n in ([hops] if hops else [1, 2]) for quest in self._graph.path_questions(n)
        ]
        path_questions = [
            quest for quest in path_questions if split_of(quest.question, HELD_OUT) == part.name
        ]
        self._quests = part.take(
            self._fitting(path_questions, dataset), lambda quest: quest.question
        )
        self.num_examples = len(self._quests)
        if not self._quests:
            raise ValueError(
                f"Got no question of hops={hops} in split {split!r} of {dataset} with at most "
                f"prompt_tokens={prompt_tokens} tokens; raise it, or use another split."
            )
        line = max(len(tokenizer.encode(f" {text}\n")) for text in self._lines)
        place = max(len(tokenizer.encode(f" -> {name}")) for name in self._graph.entities)
        self.max_new_tokens = max_turns * line
        self.context_tokens = prompt_tokens + 2 * place + self.max_new_tokens

    def example(self, index: int) -> Example:
        """The question of that number, at the start of the walk."""
        quest = self._quests[index]
        prompt = self._tokenizer.encode(_context(quest.question, [quest.start]))
        reference = self._tokenizer.encode(f" {quest.answer}")[: self.max_new_tokens]
        return Example(prompt, reference, (quest.answer,), index)

    def example_of(self, prompt: str) -> Example:
        """Refused: a walk has to start somewhere in the graph.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"Got prompt {prompt!r} for a walk on a graph; pin an example by 'index'.")

    def is_turn_over(self, text: str) -> bool:
        """At the end of the line."""
        return "\n" in text

    def options(self, example: Example, turns: Sequence[str]) -> Sequence[Option]:
        """Every relation, open where the graph has such an edge; and to stop."""
        entity = self._graph.walk(self._quests[example.index].start, turns)
        return [
            Option(line, line == STOP or self._graph.follow(entity, line) is not None)
            for line in self._lines
        ]

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """Where the walker stands now, and whether they stopped."""
        quest, has_stopped = self._quests[example.index], turns[-1] == STOP
        places = [quest.start]
        for turn in turns:
            places.append(self._graph.walk(places[-1], [turn]))
        is_right = has_stopped and places[-1] == quest.answer
        way, left = (self._graph.distance(p, quest.answer) for p in (quest.start, places[-1]))
        task_scores = {
            "correct": float(is_right),
            "closeness": max(0.0, 1.0 - left / max(way, 1)),
            "moves": len(turns) / self.max_turns,
        }
        visited = [a for a, b in zip(places, [*places[1:], None], strict=True) if a != b]
        return Response(has_stopped, _context(quest.question, visited), task_scores)

    def oracle_completion(self, example: Example, turns: Sequence[str]) -> str:
        """The next relation on the way to the answer, then to stop; after a detour unknown."""
        path = (*self._quests[example.index].path, STOP)
        return path[len(turns)] if tuple(turns) == path[: len(turns)] else ""

    def _fitting(self, path_questions: Sequence[PathQuestion], dataset: str) -> list[PathQuestion]:
        """Those that are short enough; of a caller's own it is said how many are not."""
        sizes = [
            len(self._tokenizer.encode(_context(quest.question, [quest.start])))
            for quest in path_questions
        ]
        pairs = zip(path_questions, sizes, strict=True)
        fitting = [quest for quest, size in pairs if size <= self.prompt_tokens]
        if fitting and len(fitting) < len(path_questions) and dataset != EMBEDDED:
            limits = {"prompt_tokens": (self.prompt_tokens, max(sizes))}
            warn_left_out(len(path_questions) - len(fitting), len(path_questions), dataset, limits)
        return fitting


def _facts(dataset: str) -> list[Fact]:
    columns = {name: name for name in ("subject", "relation", "answer", "question")}
    rows = read_rows(dataset, None, columns, "facts", where={"graph": "yes"})
    return [Fact(*(one_line(row[name][0]) for name in columns)) for row in rows]


def _context(question: str, places: Sequence[str]) -> str:
    """What the model reads: the question, and the last entities visited."""
    return f"Question: {question}\nPath: {' -> '.join(places[-3:])}\nNext:"
