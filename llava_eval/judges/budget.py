"""A sum that judging may cost, and what it has cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from llava_eval.judges.plan import CHARACTERS, estimated_tokens, money
from llava_eval.prices import Price
from llava_eval.replies import Chat, Failure, Reply


class Budget:
    """Counts tokens and money; says when the next call might cost too much.

    What is on its way counts with all that it may cost, so that the sum holds whatever comes
    back. How many tokens a message has is estimated, and the estimate corrected by what the
    judge counts. A call that fails costs nothing.

    Attributes:
        price: Of the judge's tokens; None: not known.
        most: The sum; None: any.
        currency: Of both.
        spent: So far, on the same answers, whichever call of the program it was in.
        read, written: Tokens so far, of this call of the program.
        estimated: Whether any of them are estimates, since the judge does not count.
        stopped: Whether a call was not made for the sum's sake.
    """

    def __init__(
        self, price: Price | None = None, most: float | None = None, currency: str = ""
    ) -> None:
        self.price = price
        self.most = most
        self.currency = currency
        self.spent = 0.0
        self.read = self.written = 0
        self.estimated = self.stopped = False
        self._held_read = self._held_written = 0  # of the calls on their way
        self._estimated_read = 0  # of the calls that were answered

    def count_before(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count what the replies of an earlier call cost."""
        for row in rows:
            self.spent += self._cost(row.get("prompt_tokens", 0), row.get("new_tokens", 0))

    def take(self, chat: Chat) -> bool:
        """Set money aside for a call; False, and never again True, if there is too little."""
        self._hold(chat, 1)
        held = self._cost(self._held_read * self._correction(), self._held_written)
        if self.most is not None and self.spent + held > self.most:
            self.stopped = True
            self._hold(chat, -1)
        return not self.stopped

    def settle(self, chat: Chat, outcome: Reply | Failure) -> None:
        """Put what a call cost in the place of what it might have."""
        self._hold(chat, -1)
        if isinstance(outcome, Reply):
            self.spent += self._cost(outcome.prompt_tokens, outcome.new_tokens)
            self._estimated_read += estimated_tokens(chat)
            self.read += outcome.prompt_tokens
            self.written += outcome.new_tokens

    def words(self) -> str:
        """Say what was used.

        >>> budget = Budget(Price(10, 30), currency="USD")
        >>> budget.settle(Chat([], 3), Reply("0.5", "stop", "m", "", 900, 3))
        >>> budget.words()
        '900 tokens read, 3 written; 0.0091 USD'
        """
        counted = f"{self.read:,} tokens read, {self.written:,} written"
        counted += " (estimated: the judge does not count)" if self.estimated else ""
        return counted if self.price is None else f"{counted}; {self._money()}"

    def _money(self) -> str:
        spent = money(self.spent, self.currency)
        return spent if self.most is None else f"{spent} of {money(self.most, self.currency)}"

    def _hold(self, chat: Chat, calls: int) -> None:
        self._held_read += calls * estimated_tokens(chat)
        self._held_written += calls * chat.max_tokens

    def _correction(self) -> float:
        """How many tokens a message has for each that was estimated; at least one."""
        return max(1.0, self.read / self._estimated_read) if self._estimated_read else 1.0

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
