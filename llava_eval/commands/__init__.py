"""The commands: each is a module with its arguments (`configure`) and what it does (`execute`)."""

COMMANDS = {
    "run": "evaluate a model on tasks",
    "judge": "grade the answers of finished runs",
    "score": "score a predictions file, without a model",
    "submit": "write the files that a server takes",
    "leaderboard": "all results in one table",
    "compare": "a candidate against a baseline, for CI",
    "report": "a page to look at: table, plots, every sample",
    "explain": "why a number is not the published one",
    "tasks": "list the tasks",
}
