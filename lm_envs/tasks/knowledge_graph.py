"""Question answering over a knowledge graph: follow relations, and stop at the answer."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from lm_envs.tasks.base import Example, Option, Response
from lm_envs.tasks.data.length_limits import drop_too_long
from lm_envs.tasks.datasets import EMBEDDED, read_rows
from lm_envs.tasks.rewards.reward import Reward, Weights
from lm_envs.tasks.rewards.text_normalization import one_line
from lm_envs.tasks.simulators.fact_chains import chain_questions
from lm_envs.tasks.simulators.fact_graph import STOP, Fact, FactGraph, PathQuestion
from lm_envs.tasks.simulators.fact_wordings import check_worded, varied_question
from lm_envs.tasks.splits import SplitSpec, split_of
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice, check_count

DEFAULT_REWARDS = {"correct": 1.0, "closeness": 0.5, "moves": -0.2}
HELD_OUT = 0.1
LONG = 3
"""Hops of a chain that passes two countries, for which the graph needs links between countries."""

QUESTIONS, COMPOSITIONS = "questions", "compositions"
FACTS, VARIED = "facts", "varied"

PROMPT_TOKENS, LONG_PROMPT_TOKENS = 64, 112
"""Default of `prompt_tokens`; the second with three hops or varied wordings."""

Hops = int | Sequence[int] | None


class KnowledgeGraphQA:
    """Follow relations through a graph of facts about countries; scored by where the walk stops.

    Prompt: "Question: …", "Path: …" and "Next:" on three lines; the path holds the last three
    entities.
    Episode end: terminates when the agent writes "stop", at the end-of-text token, after
    `max_turns` turns, or at the token budget.
    Scores: `correct` is 1 if the walk stopped at the answer, else 0; `closeness` is the share of
    the distance to the answer that was covered; `moves` is the used share of `max_turns`.

    The graph contains all facts in every split; questions are held out, or compositions: chains of
    relations, in their order, of which a split has some and no other split has the same.

    Args:
        tokenizer: Encodes and decodes texts.
        dataset: "embedded", or a file with the columns subject, relation, answer and question. Rows
            with a field "graph" that is not "yes" are left out. Line ends in a field count as
            spaces.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]", of the
            questions.
        hops: 1, 2, 3 or a list of these: number of edges between the start and the answer; None for
            1 and 2. With 3 the embedded graph also has links between countries (main neighbor,
            customer and supplier), and each chain of relations has at most `MOST_PER_CHAIN`
            questions; see `simulators.fact_chains`.
        held_out: "questions", or "compositions" for chains of two or three relations that no other
            split has; single relations are in the split "train".
        wordings: "facts" for the question of each fact, or "varied" for other wordings in each
            split; see `simulators.fact_wordings`.
        max_turns: Largest number of turns; a walk that has not stopped by then has failed.
        prompt_tokens: Largest number of tokens in the text of a prompt; longer questions are left
            out. First tokens or a chat template come on top. Default 64, and 112 with three hops or
            varied wordings.
        rewards: Weight of each score; default `DEFAULT_REWARDS`.

    Attributes:
        relations: Names of the relations of facts.
        lines: All lines that an agent can write: relations, the same backward, and "stop".
        is_simple: Whether `hops`, `held_out` and `wordings` are as by default: at most two edges,
            and questions in the words of the facts.
    """

    task_scores = ("correct", "closeness", "moves")

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        dataset: str = "embedded",
        split: str = "train",
        hops: Hops = None,
        held_out: str = QUESTIONS,
        wordings: str = FACTS,
        max_turns: int = 5,
        prompt_tokens: int | None = None,
        rewards: Weights | None = None,
    ) -> None:
        spec = SplitSpec.parse(split)
        counts = _parsed_hops(hops)
        check_choice("held_out", held_out, (QUESTIONS, COMPOSITIONS))
        check_choice("wordings", wordings, (FACTS, VARIED))
        check_count("max_turns", max_turns)
        if prompt_tokens is None:
            is_short = LONG not in counts and wordings == FACTS
            prompt_tokens = PROMPT_TOKENS if is_short else LONG_PROMPT_TOKENS
        check_count("prompt_tokens", prompt_tokens)
        self.prompt_tokens = prompt_tokens + tokenizer.prompt_overhead
        self.max_turns = max_turns
        self.reward = Reward(DEFAULT_REWARDS if rewards is None else rewards, self.task_scores)
        self.is_simple = LONG not in counts and (held_out, wordings) == (QUESTIONS, FACTS)
        self._tokenizer = tokenizer
        self._graph = FactGraph(_read_facts(dataset, has_links=LONG in counts))
        self.relations, self.lines = self._graph.forward, (*self._graph.relations, STOP)
        self.num_options = len(self.lines)
        self._find = partial(self._find_questions, counts, held_out, wordings)
        self._questions = self._select_questions(spec, hops, dataset)
        self.num_examples = len(self._questions)
        line = max(len(tokenizer.encode_completion(f"{text}\n")) for text in self.lines)
        entity = max(len(tokenizer.encode(f" -> {name}")) for name in self._graph.entities)
        self.max_new_tokens = max_turns * line
        # The path shows three entities; the prompt already contains the first.
        self.context_tokens = self.prompt_tokens + 2 * entity + self.max_new_tokens

    def example(self, index: int) -> Example:
        """Returns the question with this index, at the start of the walk."""
        chosen = self._questions[index]
        prompt = self._tokenizer.encode_prompt(_context(chosen.question, [chosen.start]))
        reference = self._tokenizer.encode_completion(chosen.answer)[: self.max_new_tokens]
        return Example(prompt, reference, (chosen.answer,), index)

    def example_of(self, prompt: str) -> Example:
        """Refuses a caller's own prompt, because a walk has to start at an entity of the graph.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            f"Got prompt {prompt!r} for a walk on a graph; select an example by 'index'."
        )

    def is_turn_over(self, text: str) -> bool:
        """Returns whether the text contains a line end."""
        return "\n" in text

    def options(self, example: Example, turns: Sequence[str]) -> Sequence[Option]:
        """Returns every relation, enabled if the entity has such an edge, and "stop"."""
        entity = self._graph.walk(self._questions[example.index].start, turns)
        return [
            Option(line, line == STOP or self._graph.follow(entity, line) is not None)
            for line in self.lines
        ]

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """Returns the question with the path so far; over if the last turn is "stop"."""
        chosen, has_stopped = self._questions[example.index], turns[-1] == STOP
        entities = [chosen.start]
        for turn in turns:
            entities.append(self._graph.walk(entities[-1], [turn]))
        is_correct = has_stopped and entities[-1] == chosen.answer
        total, left = (
            self._graph.distance(entity, chosen.answer) for entity in (chosen.start, entities[-1])
        )
        task_scores = {
            "correct": float(is_correct),
            "closeness": max(0.0, 1.0 - left / max(total, 1)),
            "moves": len(turns) / self.max_turns,
        }
        # A turn that leads nowhere repeats the entity; the path shows it once.
        path = [a for a, b in zip(entities, [*entities[1:], None], strict=True) if a != b]
        reply = f"-> {entities[-1]}"
        return Response(has_stopped, _context(chosen.question, path), task_scores, reply)

    def oracle_completion(self, example: Example, turns: Sequence[str]) -> str:
        """Returns the next relation of the path, then "stop"; empty after a detour."""
        path = (*self._questions[example.index].path, STOP)
        return path[len(turns)] if tuple(turns) == path[: len(turns)] else ""

    def questions(self, split: str) -> list[PathQuestion]:
        """Returns all questions of a split of the same task with their paths, to learn from.

        Args:
            split: "train", "validation" or "test".
        """
        return self._find(SplitSpec.parse(split).name)

    def _find_questions(
        self, hops: Sequence[int], held_out: str, wordings: str, split: str
    ) -> list[PathQuestion]:
        """Returns the questions of a split in its wordings."""
        find = partial(chain_questions, self._graph) if LONG in hops else self._graph.path_questions
        found = [each for count in hops for each in find(count)]
        get_split = _split_by_chain if held_out == COMPOSITIONS else _split_by_question
        found = [each for each in found if get_split(each) == split]
        if wordings == FACTS:
            return found
        check_worded(self._graph.forward)
        return [self._reworded(each, split) for each in found]

    def _reworded(self, found: PathQuestion, split: str) -> PathQuestion:
        """Returns a question in the wordings of a split."""
        edges = [self._graph.edge(name) for name in found.path]
        return replace(found, question=varied_question(found.start, edges, split))

    def _select_questions(self, spec: SplitSpec, hops: Hops, dataset: str) -> list[PathQuestion]:
        """Returns the questions of a part of a split that are not too long.

        Raises:
            ValueError: If there is none.
        """
        found, overhead = self._find(spec.name), self._tokenizer.prompt_overhead
        lengths = [
            len(self._tokenizer.encode_prompt(_context(each.question, [each.start]))) - overhead
            for each in found
        ]
        limits = {"prompt_tokens": self.prompt_tokens - overhead}
        kept = drop_too_long(found, {"prompt_tokens": lengths}, limits, dataset)
        if not kept:
            raise ValueError(
                f"Got no question of hops={hops} in split {str(spec)!r} of {dataset} with at most "
                f"prompt_tokens={limits['prompt_tokens']} tokens; raise it, or use another split."
            )
        return spec.select(kept, lambda each: each.question)


def _parsed_hops(hops: Hops) -> list[int]:
    """Returns the numbers of edges, each once.

    Raises:
        ValueError: If one is not allowed, or there is none.
    """
    if hops is None:
        return [1, 2]
    counts = [hops] if isinstance(hops, int) else list(dict.fromkeys(hops))
    for count in counts or [None]:
        check_choice("hops", count, (1, 2, LONG))
    return counts


def _split_by_question(found: PathQuestion) -> str:
    return split_of(found.question, HELD_OUT)


def _split_by_chain(found: PathQuestion) -> str:
    """Returns the split of a chain of relations; single relations are in "train"."""
    return "train" if len(found.path) == 1 else split_of(" > ".join(found.path), HELD_OUT)


def _read_facts(dataset: str, *, has_links: bool) -> list[Fact]:
    columns = {name: name for name in ("subject", "relation", "answer", "question")}
    rows = read_rows(dataset, None, columns, "facts", filters={"graph": "yes"})
    if has_links and dataset == EMBEDDED:
        rows += read_rows(dataset, None, columns, "country_links")
    return [Fact(*(one_line(row.text(name)) for name in columns)) for row in rows]


def _context(question: str, entities: Sequence[str]) -> str:
    return f"Question: {question}\nPath: {' -> '.join(entities[-3:])}\nNext:"
