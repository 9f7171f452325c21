"""Dialogue: serve a scripted customer of a shop, over several turns."""

from collections.abc import Mapping, Sequence

from lm_envs.tasks.base import Example, Option, Response
from lm_envs.tasks.dialogue_customer import (
    COURTESY,
    QUESTIONS,
    WISHES,
    Customer,
    customers,
    is_polite,
    replies,
    split_of,
)
from lm_envs.tasks.rewards.reward import Reward
from lm_envs.tasks.splits import Part
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice, check_count

DEFAULT_REWARDS = {"completed": 1.0, "turns": -0.3, "politeness": 0.2}
LONGEST_ANSWER = 20
"""Most tokens in a customer's answer and the names of the speakers, for the bound on a context."""


class Dialogue:
    """Find out what a customer needs, and grant it; judged by success, brevity and politeness.

    The task's own scores are `completed` (1 if the wish was granted with every detail right),
    `turns` (the share of the turns that were used) and `politeness` (the share of polite turns).

    Args:
        tokenizer: Cuts texts into tokens.
        split: "train", "validation" or "test", or a part of one, such as "train[:25%]"; held out
            by wish and details together.
        wishes: Names in `customers.WISHES`; default all.
        max_turns: Most turns of the agent's.
        max_new_tokens: Budget of the agent's words over all turns.
        rewards: Weight of each score; default `DEFAULT_REWARDS`.
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
        rewards: Mapping[str, float] | None = None,
    ) -> None:
        part = Part.parse(split)
        check_count("max_turns", max_turns)
        check_count("max_new_tokens", max_new_tokens)
        for wish in wishes or ():
            check_choice("wish", wish, WISHES)
        self.max_turns, self.max_new_tokens = max_turns, max_new_tokens
        self.context_tokens = self.prompt_tokens + max_new_tokens + max_turns * LONGEST_ANSWER
        self.reward = Reward(DEFAULT_REWARDS if rewards is None else rewards, self.task_scores)
        self._tokenizer = tokenizer
        wanted = WISHES if wishes is None else wishes
        chosen = [customer for customer in customers() if customer.wish in wanted]
        chosen = [customer for customer in chosen if split_of(customer) == part.name]
        self._customers = part.take(chosen, lambda customer: customer.told)
        self.num_examples = len(self._customers)
        if not self._customers:
            raise ValueError(
                f"Got no customer of wishes={wishes!r} in split {split!r}; allowed: some of "
                f"{', '.join(WISHES)}."
            )
        self.num_options = len(replies({}))

    def example(self, index: int) -> Example:
        """A customer's first line; the target is how their wish is granted."""
        customer = self._customers[index]
        grant = WISHES[customer.wish].grant.format(**customer.values)
        reference = self._tokenizer.encode(f" {grant}")[: self.max_new_tokens]
        prompt = self._tokenizer.encode(_context(customer, []))
        return Example(prompt, reference, (grant,), index)

    def example_of(self, prompt: str) -> Example:
        """Refused: there has to be a customer who answers.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"Got prompt {prompt!r} for a dialogue; pin a customer by 'index'.")

    def is_turn_over(self, text: str) -> bool:
        """At the end of the line."""
        return "\n" in text

    def options(self, example: Example, turns: Sequence[str]) -> Sequence[Option]:
        """Every question and every grant, with the details told so far."""
        customer = self._customers[example.index]
        told = _told(customer, turns)
        return [Option(text) for text in replies({slot: customer.values[slot] for slot in told})]

    def respond(self, example: Example, turns: Sequence[str]) -> Response:
        """The customer's answer, or their content."""
        customer = self._customers[example.index]
        is_content = customer.is_content(turns[-1], _told(customer, turns[:-1]))
        task_scores = {
            "completed": float(is_content),
            "turns": len(turns) / self.max_turns,
            "politeness": sum(map(is_polite, turns)) / len(turns),
        }
        return Response(is_content, _context(customer, turns), task_scores)

    def oracle_completion(self, example: Example, turns: Sequence[str]) -> str:
        """The polite question for what is not told yet, then the polite grant."""
        customer = self._customers[example.index]
        told = _told(customer, turns)
        missing = [slot for slot in WISHES[customer.wish].slots if slot not in told]
        if missing:
            return QUESTIONS[missing[0]][1]
        return COURTESY + WISHES[customer.wish].grant.format(**customer.values)


def _told(customer: Customer, turns: Sequence[str]) -> set[str]:
    told: set[str] = set()
    for turn in turns:
        _, told = customer.answer(turn, told)
    return told


def _context(customer: Customer, turns: Sequence[str]) -> str:
    lines, told = [f"Customer: {customer.opening}"], set()
    for turn in turns:
        answer, told = customer.answer(turn, told)
        lines += [f"Agent: {turn}", f"Customer: {answer}"]
    return "\n".join([*lines, "Agent:"])
