"""Dialogue: serve a scripted customer of a shop over several turns."""

from collections.abc import Mapping, Sequence

from lm_envs.tasks.base import Example, Option, Response
from lm_envs.tasks.rewards.reward import Reward, Weights
from lm_envs.tasks.simulators.customer import (
    COURTESY,
    QUESTIONS,
    REQUESTS,
    Customer,
    agent_lines,
    all_customers,
    is_polite,
)
from lm_envs.tasks.splits import SplitSpec
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice, check_count

DEFAULT_REWARDS = {"completed": 1.0, "turns": -0.3, "politeness": 0.2}
MAX_ANSWER_TOKENS = 20
"""Largest number of tokens in a customer's answer and the names of the speakers."""


class Dialogue:
    """Ask what a customer needs, then grant the request; scored by success, length and politeness.

    Prompt: "Customer: …", then "Agent:" on the next line; the conversation is the context of the
    later turns.
    Episode end: terminates when the customer is satisfied, at the end-of-text token, after
    `max_turns` turns, or at the token budget.
    Scores: `completed` is 1 if the request was granted with every slot correct, else 0; `turns` is
    the used share of `max_turns`; `politeness` is the share of polite turns.

    Args:
        tokenizer: Encodes and decodes texts.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]"; request and
            slot values are held out together.
        wishes: Names in `customer.REQUESTS`; default all.
        max_turns: Largest number of the agent's turns.
        max_new_tokens: Budget of the agent's tokens over all turns.
        rewards: Weight of each score; default `DEFAULT_REWARDS`.

    Attributes:
        customers: Customer of each example.
    """

    prompt_tokens = 24
    task_scores = ("completed", "turns", "politeness")

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        split: str = "train",
        wishes: Sequence[str] | None = None,
        max_turns: int = 5,
        max_new_tokens: int = 120,
        rewards: Weights | None = None,
    ) -> None:
        spec = SplitSpec.parse(split)
        check_count("max_turns", max_turns)
        check_count("max_new_tokens", max_new_tokens)
        for name in wishes or ():
            check_choice("wish", name, REQUESTS)
        self.max_turns, self.max_new_tokens = max_turns, max_new_tokens
        self.prompt_tokens += tokenizer.prompt_overhead
        self.context_tokens = self.prompt_tokens + max_new_tokens + max_turns * MAX_ANSWER_TOKENS
        self.reward = Reward(DEFAULT_REWARDS if rewards is None else rewards, self.task_scores)
        self._tokenizer = tokenizer
        self.customers = _select_customers(spec, REQUESTS if wishes is None else wishes)
        self.num_examples = len(self.customers)
        if not self.customers:
            raise ValueError(
                f"Got no customer of wishes={wishes!r} in split {split!r}; allowed: some of "
                f"{', '.join(REQUESTS)}."
            )
        self.num_options = len(agent_lines({}))

    def example(self, index: int) -> Example:
        """Returns a customer's first line; the target is the line that grants the request."""
        customer = self.customers[index]
        reference = self._tokenizer.encode_completion(customer.grant)[: self.max_new_tokens]
        prompt = self._tokenizer.encode_prompt(_context(_lines(customer, [])))
        return Example(prompt, reference, (customer.grant,), index)

    def example_of(self, prompt: str) -> Example:
        """Refuses a caller's own prompt, because no customer could answer in its episode.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"Got prompt {prompt!r} for a dialogue; pin a customer by 'index'.")

    def is_turn_over(self, text: str) -> bool:
        """Returns whether the text contains a line end."""
        return "\n" in text

    def options(self, example: Example, turns: Sequence[str]) -> Sequence[Option]:
        """Returns every question and every grant, filled with the slots revealed so far."""
        customer = self.customers[example.index]
        revealed = _revealed_slots(customer, turns)
        lines = agent_lines({slot: customer.values[slot] for slot in revealed})
        return [Option(text) for text in lines]

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """Returns the conversation so far; it is over if the customer is satisfied."""
        customer = self.customers[example.index]
        revealed = _revealed_slots(customer, turns[:-1])
        is_satisfied = customer.is_satisfied(turns[-1], revealed)
        lines = _lines(customer, turns)
        task_scores = {
            "completed": float(is_satisfied),
            "turns": len(turns) / self.max_turns,
            "politeness": sum(map(is_polite, turns)) / len(turns),
        }
        return Response(is_satisfied, _context(lines), task_scores, reply=lines[-1])

    def oracle_completion(self, example: Example, turns: Sequence[str]) -> str:
        """Returns the polite question for the first missing slot, or the polite grant."""
        customer = self.customers[example.index]
        revealed = _revealed_slots(customer, turns)
        missing = [slot for slot in REQUESTS[customer.request].slots if slot not in revealed]
        if missing:
            return QUESTIONS[missing[0]][1]
        return COURTESY + customer.grant


def _select_customers(
    spec: SplitSpec, requests: Sequence[str] | Mapping[str, object]
) -> list[Customer]:
    chosen = [each for each in all_customers() if each.request in requests]
    in_split = [each for each in chosen if each.split == spec.name]
    return spec.select(in_split, lambda customer: customer.description)


def _revealed_slots(customer: Customer, turns: Sequence[str]) -> set[str]:
    revealed: set[str] = set()
    for turn in turns:
        _, revealed = customer.answer(turn, revealed)
    return revealed


def _lines(customer: Customer, turns: Sequence[str]) -> list[str]:
    """Returns the conversation so far; the last line is the customer's."""
    lines, revealed = [f"Customer: {customer.opening}"], set()
    for turn in turns:
        answer, revealed = customer.answer(turn, revealed)
        lines += [f"Agent: {turn}", f"Customer: {answer}"]
    return lines


def _context(lines: Sequence[str]) -> str:
    return "\n".join([*lines, "Agent:"])
