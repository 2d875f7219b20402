"""The commands: each is a module with its arguments (`configure`) and what it does (`execute`)."""

from __future__ import annotations

from types import ModuleType

from llava_eval.commands import (
    compare,
    explain,
    judge,
    leaderboard,
    report,
    run,
    score,
    submit,
    tasks,
)

COMMANDS: dict[str, tuple[ModuleType, str]] = {
    "run": (run, "evaluate a model on tasks"),
    "judge": (judge, "grade the answers of finished runs"),
    "score": (score, "score a predictions file, without a model"),
    "submit": (submit, "write the files that a server takes"),
    "leaderboard": (leaderboard, "all results in one table"),
    "compare": (compare, "a candidate against a baseline, for CI"),
    "report": (report, "a page to look at: table, plots, every sample"),
    "explain": (explain, "why a number is not the published one"),
    "tasks": (tasks, "list the tasks"),
}
