"""A sum that judging may cost, and what it has cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, replace
from typing import Any

from llava_eval.judges.plan import CHARACTERS, estimated_tokens, money
from llava_eval.prices import Price
from llava_eval.records import Json
from llava_eval.replies import Chat, Failure, Reply


@dataclass(frozen=True)
class Used:
    """What calls of a judge took.

    Attributes:
        calls: With an answer, or failed for good.
        failed: Of these, those without an answer.
        prompt_tokens, new_tokens: Of all tries that were billed.
        estimated: Of the answers, those whose tokens the judge did not count.
        cost: In the currency of the prices; 0 without any.
    """

    calls: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    new_tokens: int = 0
    estimated: int = 0
    cost: float = 0.0

    def __add__(self, other: Used) -> Used:
        return Used(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


class Budget:
    """Counts tokens and money; says when the next call might cost too much.

    What is on its way counts with all that one try of it may cost, so that the sum holds
    whatever comes back. How many tokens a message has is estimated, and the estimate corrected
    by what the judge counts. A try of which the server says nothing costs nothing.

    Attributes:
        price: Of the judge's tokens; None: not known.
        most: The sum; None: any.
        currency: Of both.
        earlier: Spent on the same answers by earlier calls of the program.
        used: By this one.
        stopped: Whether a call was not made for the sum's sake.
    """

    def __init__(
        self, price: Price | None = None, most: float | None = None, currency: str = ""
    ) -> None:
        self.price = price
        self.most = most
        self.currency = currency
        self.earlier = 0.0
        self.used = Used()
        self.stopped = False
        self._held = Used()  # by the calls on their way
        self._read = self._estimated_read = 0  # of the calls that were answered

    def count_before(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count what the calls of an earlier command cost."""
        for row in rows:
            read, written = (
                row.get(name, 0) + row.get(f"lost_{name}", 0)
                for name in ("prompt_tokens", "new_tokens")
            )
            self.earlier += self._cost(read, written)

    def take(self, chat: Chat) -> bool:
        """Set money aside for a call.

        Returns:
            Whether there is enough. If there is not, calls on their way may leave more than
            they were given; if none is, that is final.
        """
        holding = self._held + self._most(chat)
        held = self._cost(holding.prompt_tokens * self._correction(), holding.new_tokens)
        if self.most is not None and self.earlier + self.used.cost + held > self.most:
            self.stopped = not self._held.calls
            return False
        self._held = holding
        return True

    def settle(self, chat: Chat, outcome: Reply | Failure, estimated: bool = False) -> None:
        """Put what a call cost in the place of what it might have.

        Args:
            chat: What was asked.
            outcome: What came.
            estimated: Whether the judge did not count its tokens.
        """
        most = self._most(chat)
        self._held += Used(-1, 0, -most.prompt_tokens, -most.new_tokens)
        read, written = outcome.lost_prompt_tokens, outcome.lost_new_tokens
        if isinstance(outcome, Reply):
            read, written = read + outcome.prompt_tokens, written + outcome.new_tokens
            self._read += outcome.prompt_tokens
            self._estimated_read += most.prompt_tokens
        failed = isinstance(outcome, Failure)
        self.used += Used(1, failed, read, written, estimated, self._cost(read, written))

    def nothing_on_way(self) -> None:
        """Take note that no call is on its way, whatever became of those that were."""
        self._held = Used()

    def words(self) -> str:
        """Say what was used.

        >>> budget = Budget(Price(10, 30), currency="USD")
        >>> budget.settle(Chat([], 3), Reply("0.5", "stop", "m", "", 900, 3))
        >>> budget.words()
        '900 tokens read, 3 written; 0.0091 USD'
        """
        used = self.used
        counted = f"{used.prompt_tokens:,} tokens read, {used.new_tokens:,} written"
        counted += " (estimated: the judge does not count)" if used.estimated else ""
        if self.price is None:
            return counted
        words = f"{counted}; {money(used.cost, self.currency)}"
        if self.earlier:
            words += f", {money(self.earlier + used.cost, self.currency)} with earlier commands"
        return words if self.most is None else f"{words}, of {money(self.most, self.currency)}"

    def effort(self, before: Used) -> Json:
        """Return what the calls since then took, as `judge.json` keeps it."""
        past = Used(*(-value for value in astuple(before)))
        taken = asdict(self.used + past)
        cost = taken.pop("cost")
        if self.price is None:
            return taken
        return {**taken, "cost": {"sum": cost, "currency": self.currency}}

    def _most(self, chat: Chat) -> Used:
        return Used(1, 0, estimated_tokens(chat), chat.max_tokens)

    def _correction(self) -> float:
        """How many tokens a message has for each that was estimated; at least one."""
        return max(1.0, self._read / self._estimated_read) if self._estimated_read else 1.0

    def _cost(self, read: float, written: float) -> float:
        return 0.0 if self.price is None else self.price.cost(read, written)


def with_tokens(chat: Chat, reply: Reply) -> tuple[Reply, bool]:
    """Fill in the tokens of a judge that does not count them.

    Returns:
        The reply, and whether its counts are estimates.
    """
    if reply.prompt_tokens:
        return reply, False
    written = -(-len(reply.text) // CHARACTERS)
    return replace(reply, prompt_tokens=estimated_tokens(chat), new_tokens=written), True
