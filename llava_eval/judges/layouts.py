"""What a judge is asked: messages, temperatures, and when to ask again. Pure functions.

A layout gets a sample, its answer and the replies so far, and returns what to ask now; nothing,
when there are replies enough. `LAYOUTS` is the whole registry; a card names its layout.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llava_eval.answers.letters import vlmevalkit_letter
from llava_eval.answers.ratings import MMVET_TRIES, mmvet_runs
from llava_eval.records import Json, Sample
from llava_eval.replies import Chat

if TYPE_CHECKING:
    from llava_eval.task import Judging


Asks = Callable[["Judging", Mapping[str, str], Sample, str, Sequence[str], int], list[Chat]]


@dataclass(frozen=True)
class Layout:
    """How the judge of a benchmark is asked.

    Attributes:
        asks: Settings, wording by category ("" for all), sample, answer, replies so far and
            number of runs, to what can be asked now.
        left: Replies so far and number of runs, to how many calls are left at least and at most.
        matches: Whether the judge reads only what a rule left open, and does not grade.
    """

    asks: Asks
    left: Callable[[Sequence[str], int], tuple[int, int]]
    matches: bool = False


def ask_llava_bench(
    judging: Judging,
    wording: Mapping[str, str],
    sample: Sample,
    answer: str,
    replies: Sequence[str],
    runs: int,
) -> list[Chat]:
    """Ask for two ratings, once per run; a reply that cannot be read is not asked for again.

    Source: haotian-liu/LLaVA, `llava/eval/eval_gpt_review_bench.py`.
    """
    rule = wording.get(sample.groups["category"], wording.get("", ""))
    text = (
        f"[Context]\n{sample.hint}\n\n"
        f"[Question]\n{sample.question}\n\n"
        f"[Assistant 1]\n{sample.references[0]}\n\n[End of Assistant 1]\n\n"
        f"[Assistant 2]\n{answer}\n\n[End of Assistant 2]\n\n"
        f"[System]\n{rule}\n\n"
    )
    return [_chat(judging, text, judging.temperature)] * (runs - len(replies))


def ask_mmvet(
    judging: Judging,
    wording: Mapping[str, str],
    sample: Sample,
    answer: str,
    replies: Sequence[str],
    runs: int,
) -> list[Chat]:
    """Ask for a degree of correctness; after a reply that cannot be read, ask again.

    The second try of a run has the first one's temperature, each later one a step more.

    Source: yuweihao/MM-Vet, `mm-vet_evaluator.py`.
    Departs: The evaluator asks a sixth time and gives 0.0 without reading what comes; here the
    fifth try is the last.
    """
    finished, tries = mmvet_runs(replies)
    if len(finished) >= runs:
        return []
    truth = sample.references[0].replace("<AND>", " <AND> ").replace("<OR>", " <OR> ")
    text = f"{wording['']}\n{sample.question} | {truth} | {answer} | "
    temperature = judging.temperature + judging.temperature_step * max(0, tries - 1)
    again = judging.again if tries else ""
    return [_chat(judging, text + again, temperature)]


def ask_match(
    judging: Judging,
    wording: Mapping[str, str],
    sample: Sample,
    answer: str,
    replies: Sequence[str],
    runs: int,
) -> list[Chat]:
    """Ask which option an answer chooses, where the rules read none; once, whatever is said.

    The message is our own. VLMEvalKit and lmms-eval ask too, in words of their own.
    """
    if replies or not sample.references or vlmevalkit_letter(answer, sample.choices) is not None:
        return []
    options = [
        f"{letter}. {choice}"
        for letter, choice in zip(string.ascii_uppercase, sample.choices, strict=False)
    ]
    text = "\n".join(
        [wording[""], "", f"Question: {sample.question}", "Options:", *options, f"Answer: {answer}"]
    )
    return [_chat(judging, text, judging.temperature)]


def _chat(judging: Judging, text: str, temperature: float) -> Chat:
    messages: list[Json] = [{"role": "user", "content": text}]
    if judging.system:
        messages.insert(0, {"role": "system", "content": judging.system})
    return Chat(messages, judging.max_tokens, temperature)


def _once_a_run(replies: Sequence[str], runs: int) -> tuple[int, int]:
    left = max(0, runs - len(replies))
    return left, left


def _until_read(replies: Sequence[str], runs: int) -> tuple[int, int]:
    finished, tries = mmvet_runs(replies)
    left = max(0, runs - len(finished))
    return left, left * MMVET_TRIES - tries if left else 0


def _once(replies: Sequence[str], runs: int) -> tuple[int, int]:
    left = int(not replies)
    return left, left


LAYOUTS: dict[str, Layout] = {
    "llava_bench": Layout(ask_llava_bench, _once_a_run),
    "mmvet": Layout(ask_mmvet, _until_read),
    "match": Layout(ask_match, _once, matches=True),
}
