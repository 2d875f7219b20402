"""The page of all benchmarks, made from their cards: `python -m llava_eval.cards`."""

from __future__ import annotations

from pathlib import PurePosixPath

from llava_eval.judges.layouts import LAYOUTS
from llava_eval.scorers import SCORERS
from llava_eval.submissions import SUBMISSIONS
from llava_eval.tables import markdown_table
from llava_eval.task import Judging, Official, Task, load_task, task_names

INTRODUCTION = """# The benchmarks

Made from the cards in `tasks/` by `make docs`; do not edit.
A line of a prompt in square brackets is left out where its field is empty.
"""

RULES = """## Rules

What a card can name as its `scorer`; see [adding a benchmark](adding-a-benchmark.md).
"""


def benchmarks_page() -> str:
    """Return one section per task, as Markdown."""
    sections = [section(load_task(name)) for name in task_names()]
    return "\n".join([INTRODUCTION, *sections, RULES, rules_table(), ""])


def rules_table() -> str:
    """Return a table of the scorers, for cards of one's own, as Markdown."""
    rows = [["scorer", "references hold", "groups it needs", "metrics"]]
    rows += [
        [f"`{name}`", rule.references, ", ".join(rule.groups), ", ".join(rule.metrics)]
        for name, rule in sorted(SCORERS.items())
    ]
    return markdown_table(rows, numbers=False)


def section(task: Task) -> str:
    """Return what a card says, as Markdown."""
    versions = [f"{name}: {count:,}" for count, name in task.versions.items()]
    facts = [
        ("Question rows", "; ".join(versions)),
        ("Question", f"`{task.prompt.question}`" if task.prompt.question != "as_is" else ""),
        ("Decoding", f"greedy, at most {task.max_new_tokens} new tokens"),
        ("Rule", f"`{task.scorer}`; primary metric `{task.primary}` in {task.unit}"),
        ("Scored", task.scored_at),
        ("Judge", _judging(task.judge) if task.judge else ""),
        ("On the Hub", ", ".join(task.hub.repos) + f" ({task.hub.split})" if task.hub else ""),
        ("In LLaVA's folder", _official(task.official) if task.official else ""),
        ("Submissions", SUBMISSIONS[task.name].goes_to if task.name in SUBMISSIONS else ""),
        ("Paper", f"{task.citation.paper}, <{task.citation.url}>"),
    ]
    lines = [f"## {task.title}", "", task.asks, "", "```text", *task.prompt.lines, "```", ""]
    lines += [f"- **{name}**: {text}" for name, text in facts if text]
    if task.others:
        lines += ["", "Other tools:", "", *(f"- {other}" for other in task.others)]
    return "\n".join([*lines, ""])


def _judging(judging: Judging) -> str:
    step = judging.temperature_step
    rising = f", {step:g} more with each unreadable reply after the first" if step else ""
    asked = f"temperature {judging.temperature:g}{rising}, at most {judging.max_tokens} tokens"
    does = "reads, with `--match`, what the rule leaves open" if _matches(judging) else "grades"
    copy = f"; the original's words from your copy of {judging.original_file}"
    return f"{does}; {asked}{copy if judging.original else ''}; see [judging](judging.md)"


def _matches(judging: Judging) -> bool:
    return LAYOUTS[judging.layout].matches


def _official(official: Official) -> str:
    names = [official.marker, *official.other_markers]
    return " or ".join(f"`{PurePosixPath(official.folder, name)}`" for name in names)


if __name__ == "__main__":
    print(benchmarks_page(), end="")
