"""Dialogue: serve a scripted customer of a shop over several turns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from lm_envs.tasks.base import Example, Option, Response
from lm_envs.tasks.rewards.reward import Reward, Weights
from lm_envs.tasks.simulators.customer import REQUESTS, Customer, all_customers, is_polite
from lm_envs.tasks.simulators.customer_population import Population, varied_customers
from lm_envs.tasks.simulators.varied_customer import VariedCustomer
from lm_envs.tasks.splits import SplitSpec
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice, check_count, did_you_mean

DEFAULT_REWARDS = {"completed": 1.0, "turns": -0.3, "politeness": 0.2}
VARIED_REWARDS = {"completed": 1.0, "turns": -0.4, "politeness": 0.0}
SIMPLE, VARIED = "simple", "varied"

AnyCustomer = Customer | VariedCustomer


@dataclass(frozen=True, slots=True)
class Kind:
    """What an argument of `Dialogue` is by default for one kind of customers.

    Attributes:
        rewards: Weight of each score.
        max_turns: Largest number of the agent's turns.
        prompt_tokens: Largest number of tokens in a customer's first line and the speakers' names.
        answer_tokens: Room in the context for a later line and the speakers' names; a conversation
            that is longer loses its beginning.
    """

    rewards: Mapping[str, float]
    max_turns: int
    prompt_tokens: int
    answer_tokens: int


KINDS = {SIMPLE: Kind(DEFAULT_REWARDS, 5, 24, 20), VARIED: Kind(VARIED_REWARDS, 8, 64, 9)}


class Dialogue:
    """Ask what a customer needs, then grant the request; scored by success, length and politeness.

    Prompt: "Customer: …", then "Agent:" on the next line; the conversation is the context of the
    later turns.
    Episode end: terminates when the customer ends the conversation, at the end-of-text token, after
    `max_turns` turns, or at the token budget.
    Scores: `completed` is 1 if the request was granted with every slot correct, else 0; `turns` is
    the used share of `max_turns`; `politeness` is the share of polite turns.

    Simple customers answer every question and leave when they are satisfied. Varied customers have
    a mood, patience and sometimes a mistaken value, which only their wording shows; see
    `simulators.varied_customer`. Their wordings are held out, not only their slot values.

    Args:
        tokenizer: Encodes and decodes texts.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]"; request and
            slot values are held out together.
        customers: "simple" or "varied"; {"kind": "varied", "seed": 1, "size": 12_000}
            for other varied customers, see `Population`.
        wishes: Names in `customer.REQUESTS`; default all.
        max_turns: Largest number of the agent's turns; default 5, and 8 with varied customers.
        max_new_tokens: Budget of the agent's tokens over all turns.
        rewards: Weight of each score; default `DEFAULT_REWARDS`, and `VARIED_REWARDS` with varied
            customers.

    Attributes:
        customers: Customer of each example.
        population: Where varied customers come from.
    """

    task_scores = ("completed", "turns", "politeness")

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        split: str = "train",
        customers: str | Mapping[str, Any] = SIMPLE,
        wishes: Sequence[str] | None = None,
        max_turns: int | None = None,
        max_new_tokens: int = 120,
        rewards: Weights | None = None,
    ) -> None:
        spec = SplitSpec.parse(split)
        name, self.population = _parsed_customers(customers)
        kind = KINDS[name]
        self.max_turns = kind.max_turns if max_turns is None else max_turns
        check_count("max_turns", self.max_turns)
        check_count("max_new_tokens", max_new_tokens)
        for wish in wishes or ():
            check_choice("wish", wish, REQUESTS)
        self.max_new_tokens = max_new_tokens
        self.prompt_tokens = kind.prompt_tokens + tokenizer.prompt_overhead
        answers = self.max_turns * kind.answer_tokens
        self.context_tokens = self.prompt_tokens + max_new_tokens + answers
        self.reward = Reward(kind.rewards if rewards is None else rewards, self.task_scores)
        self._tokenizer = tokenizer
        self.customers = _select_customers(spec, name, self.population, wishes)
        self.num_examples = len(self.customers)
        if not self.customers:
            raise ValueError(
                f"Got no customer of wishes={wishes!r} in split {split!r}; allowed: some of "
                f"{', '.join(REQUESTS)}."
            )
        self.num_options = len(self.options(self.example(0), []))

    def example(self, index: int) -> Example:
        """Returns a customer's first line; the target is the line that grants the request."""
        customer = self.customers[index]
        reference = self._tokenizer.encode_completion(customer.grant)[: self.max_new_tokens]
        prompt = self._tokenizer.encode_prompt(_context([customer.opening], []))
        return Example(prompt, reference, (customer.grant,), index)

    def example_of(self, prompt: str) -> Example:
        """Refuses a caller's own prompt, because no customer could answer in its episode.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"Got prompt {prompt!r} for a dialogue; select a customer by 'index'.")

    def is_turn_over(self, text: str) -> bool:
        """Returns whether the text contains a line end."""
        return "\n" in text

    def options(self, example: Example, turns: Sequence[str]) -> Sequence[Option]:
        """Returns the agent's lines, filled with the slots revealed so far."""
        customer = self.customers[example.index]
        return [Option(*line) for line in customer.options(turns)]

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """Returns the conversation so far; it is over if the customer has ended it."""
        conversation = self.customers[example.index].converse(turns)
        task_scores = {
            "completed": float(conversation.is_satisfied),
            "turns": len(turns) / self.max_turns,
            "politeness": sum(map(is_polite, turns)) / len(turns),
        }
        reply = f"Customer: {conversation.replies[-1]}"
        return Response(
            conversation.is_over, _context(conversation.replies, turns), task_scores, reply
        )

    def oracle_completion(self, example: Example, turns: Sequence[str]) -> str:
        """Returns the next line of an agent that knows what the customer hides."""
        return self.customers[example.index].oracle_line(turns)


def _parsed_customers(spec: str | Mapping[str, Any]) -> tuple[str, Population]:
    """Returns the kind of customers of the argument `customers`, and their population.

    Raises:
        ValueError: If the kind or an option is unknown.
    """
    options: dict[str, Any] = dict(spec) if isinstance(spec, Mapping) else {"kind": spec}
    kind = options.pop("kind", None)
    check_choice("customers", kind, KINDS)
    allowed = [each.name for each in fields(Population)] if kind == VARIED else []
    for option in options:
        if option not in allowed:
            raise ValueError(
                f"Got unknown option {option!r} of customers {kind!r}; allowed: "
                f"{', '.join(allowed) or 'none'}.{did_you_mean(option, allowed)}"
            )
    return kind, Population(**options)


def _select_customers(
    spec: SplitSpec, kind: str, population: Population, wishes: Sequence[str] | None
) -> list[AnyCustomer]:
    found = all_customers() if kind == SIMPLE else varied_customers(spec.name, population)
    chosen = [each for each in found if wishes is None or each.request in wishes]
    in_split = [each for each in chosen if each.split == spec.name]
    return spec.select(in_split, lambda customer: customer.description)


def _context(replies: Sequence[str], turns: Sequence[str]) -> str:
    """Returns the conversation, which the customer opened, with the agent's next line to write."""
    answers = zip(turns, replies[1:], strict=True)
    lines = [f"Agent: {turn}\nCustomer: {reply}" for turn, reply in answers]
    return "\n".join([f"Customer: {replies[0]}", *lines, "Agent:"])
