"""`llava-eval judge`: grade the answers of finished runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from llava_eval.commands.options import add_tasks_dir
from llava_eval.console import Console, say
from llava_eval.errors import UsageError
from llava_eval.judges.judge import JUDGES, JudgeSettings
from llava_eval.judges.session import open_session
from llava_eval.store import find_runs
from llava_eval.tables import printable

_NONE = JudgeSettings("?", base_url="?")
_DEFAULTS = {
    "judge_base_url": "",
    "judge_engine": _NONE.engine,
    "judge_api_key_env": _NONE.api_key_env,
    "judge_concurrency": _NONE.concurrency,
    "judge_timeout": _NONE.timeout,
    "judge_runs": _NONE.runs,
    "judge_rules": [],
    "judge_prices": None,
    "judge_budget": None,
    "judge_match": False,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder, or a folder of them")
    add("--data", metavar="SOURCE", help="where the rows are, if not where the run found them")
    add("--dry-run", action="store_true", help="say what it would take, and stop")
    add_judge_options(parser, own=True)
    add_tasks_dir(parser)
    parser.set_defaults(command=execute)


def add_judge_options(parser: argparse.ArgumentParser, own: bool = False) -> None:
    """Add the flags of a judge.

    Args:
        parser: Of a command.
        own: Whether the command has no other prices: some flags then have a shorter name too.
    """

    def names(name: str) -> list[str]:
        return [f"--{name}", f"--judge-{name}"] if own else [f"--judge-{name}"]

    add = parser.add_argument_group("the judge").add_argument
    engine = ", ".join(JUDGES)
    add("--judge-model", metavar="NAME", help="who grades: as its server knows it, or a folder")
    add("--judge-base-url", default="", metavar="URL", help="of its server, ending in /v1")
    add("--judge-engine", default=_NONE.engine, help=f"{engine}: a local text model")
    add("--judge-api-key-env", default=_NONE.api_key_env, metavar="NAME", help="holds its key")
    add("--judge-concurrency", type=int, default=_NONE.concurrency, metavar="N", help="calls")
    add("--judge-timeout", type=float, default=_NONE.timeout, metavar="SECONDS", help="of a try")
    add("--judge-runs", type=int, default=1, metavar="N", help="how often it grades an answer")
    add(
        "--judge-rules",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="your copy of the original's words: LLaVA's rule.json, MM-Vet's evaluator",
    )
    add(
        *names("prices"),
        dest="judge_prices",
        type=Path,
        metavar="FILE",
        help="what tokens cost, YAML or JSON",
    )
    add(
        *names("budget"),
        dest="judge_budget",
        type=float,
        metavar="SUM",
        help="stop there, in the currency of the prices",
    )
    add(
        *names("match"),
        dest="judge_match",
        action="store_true",
        help="let it read MMBench's answers that the rules leave open",
    )


def judge_settings(options: argparse.Namespace) -> JudgeSettings | None:
    """Return what the command line says of a judge; None if it names none.

    Raises:
        UsageError: It says something of a judge, but not which.
    """
    if options.judge_model is None:
        given = [name for name, value in _DEFAULTS.items() if getattr(options, name) != value]
        if given:
            flag = given[0].replace("_", "-")
            raise UsageError(f"--{flag}: of which judge? give --judge-model")
        return None
    return JudgeSettings(
        model=options.judge_model,
        engine=options.judge_engine,
        base_url=options.judge_base_url,
        api_key_env=options.judge_api_key_env,
        concurrency=options.judge_concurrency,
        timeout=options.judge_timeout,
        runs=options.judge_runs,
        rules=tuple(options.judge_rules),
        prices=options.judge_prices,
        budget=options.judge_budget,
        match=options.judge_match,
    )


def execute(options: argparse.Namespace) -> int:
    """Grade what has no grade yet.

    Returns:
        0; 1 if a run cannot be graded.

    Raises:
        RunError: Something is left to do.
    """
    settings = judge_settings(options)
    folders = find_runs([options.run])
    if settings is None:
        raise UsageError("--judge-model: missing; name the judge")
    if not folders:
        raise UsageError(f"{options.run}: no run in it")
    console = Console()
    with open_session(folders, settings, options.data, options.tasks_dir) as session:
        if options.dry_run:
            for folder, error in session.refused.items():
                console.fail(str(folder), error)
            say("\n".join(map(printable, session.lines())))
            return 1 if session.refused else 0
        try:
            session.grade(console)
        finally:
            console.close()
        session.check_finished()
    return 0
