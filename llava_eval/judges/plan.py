"""What judging will take, said before the first call: calls, tokens, money."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from llava_eval.prices import Price
from llava_eval.replies import Chat

CHARACTERS = 4  # a token has about so many in English; fewer in Chinese


def estimated_tokens(chat: Chat) -> int:
    """Estimate the tokens of a message by its characters.

    >>> estimated_tokens(Chat([{"role": "user", "content": "x" * 41}], 3))
    11
    """
    characters = sum(len(message["content"]) for message in chat.messages)
    return -(-characters // CHARACTERS)


@dataclass(frozen=True)
class Plan:
    """Calls that are still to be made, and at most so many if replies cannot be read.

    Attributes:
        answers: That need a call.
        done: Answers that need none, or none any more.
        calls: If every reply can be read.
        most_calls: If none can.
        read: Tokens of the messages, estimated; `most_read` with every repetition.
        written: Tokens of the replies, at most; `most_written` with every repetition.
    """

    answers: int = 0
    done: int = 0
    calls: int = 0
    most_calls: int = 0
    read: int = 0
    most_read: int = 0
    written: int = 0
    most_written: int = 0


def plan_of(chat: Chat | None, calls: int, most_calls: int) -> Plan:
    """Plan one answer.

    Args:
        chat: What is asked next; None if nothing is.
        calls: How often, if every reply can be read.
        most_calls: If none can.
    """
    if chat is None:
        return Plan(done=1)
    tokens = estimated_tokens(chat)
    return Plan(
        answers=1,
        calls=calls,
        most_calls=most_calls,
        read=calls * tokens,
        most_read=most_calls * tokens,
        written=calls * chat.max_tokens,
        most_written=most_calls * chat.max_tokens,
    )


def summed(plans: Iterable[Plan]) -> Plan:
    """Add plans up."""
    rows = [tuple(vars(plan).values()) for plan in plans]
    return Plan(*(sum(column) for column in zip(*rows, strict=True)))


def plan_lines(plan: Plan, price: Price | None = None, currency: str = "") -> list[str]:
    """Say what a plan takes.

    >>> plan_lines(Plan(2, 1, 2, 10, 500, 2500, 6, 30), Price(10, 30), "USD")
    ... # doctest: +NORMALIZE_WHITESPACE
    ['calls    2, about 2 of 3 answers; at most 10 if replies cannot be read',
     'tokens   about 500 to read (characters / 4), at most 6 to write; at most 2,500 and 30',
     'cost     at most 0.0052 USD; at most 0.0259 USD if replies cannot be read']
    """
    if not plan.calls:
        return ["calls    0: nothing is left to ask"]
    repeats = plan.most_calls > plan.calls
    calls = f"{plan.calls:,}, about {plan.answers:,} of {plan.answers + plan.done:,} answers"
    tokens = f"about {plan.read:,} to read (characters / 4), at most {plan.written:,} to write"
    if repeats:
        calls += f"; at most {plan.most_calls:,} if replies cannot be read"
        tokens += f"; at most {plan.most_read:,} and {plan.most_written:,}"
    lines = [f"calls    {calls}", f"tokens   {tokens}"]
    if price is None:
        return [*lines, "cost     not known: give --prices"]
    cost = f"at most {money(price.cost(plan.read, plan.written), currency)}"
    if repeats:
        most = money(price.cost(plan.most_read, plan.most_written), currency)
        cost += f"; at most {most} if replies cannot be read"
    return [*lines, f"cost     {cost}"]


def money(value: float, currency: str) -> str:
    """Write a sum, small ones with more digits.

    >>> money(12.345, "USD"), money(0.00012, "USD")
    ('12.35 USD', '0.0001 USD')
    """
    return f"{value:,.2f} {currency}" if value >= 1 else f"{value:.4f} {currency}"
