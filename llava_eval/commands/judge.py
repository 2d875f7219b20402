"""`llava-eval judge`: grade the answers of finished runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from llava_eval.commands.options import add_tasks_dir
from llava_eval.console import Console, complain, say
from llava_eval.errors import UsageError
from llava_eval.judges.judge import JUDGES, JudgeSettings
from llava_eval.judges.session import Session, open_session
from llava_eval.store import GRADES, find_runs
from llava_eval.tables import printable

JUDGE_OPTIONS = ("judge_base_url", "judge_rules", "judge_prices", "judge_budget", "judge_match")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder, or a folder of them")
    add("--data", metavar="SOURCE", help="where the rows are, if not where the run found them")
    add("--dry-run", action="store_true", help="say what it would take, and stop")
    add_judge_options(parser, "")
    add_tasks_dir(parser)
    parser.set_defaults(command=execute)


def add_judge_options(parser: argparse.ArgumentParser, prefix: str) -> None:
    """Add the flags of a judge; where a model has flags too, all of them have a prefix."""
    add = parser.add_argument_group("the judge").add_argument
    engine, defaults = ", ".join(JUDGES), JudgeSettings("?", base_url="?")
    add("--judge-model", metavar="NAME", help="who grades: as its server knows it, or a folder")
    add("--judge-base-url", default="", metavar="URL", help="of its server, ending in /v1")
    add("--judge-engine", default=defaults.engine, help=f"{engine}: a local text model")
    add("--judge-api-key-env", default=defaults.api_key_env, metavar="NAME", help="holds its key")
    add("--judge-concurrency", type=int, default=defaults.concurrency, metavar="N", help="calls")
    add("--judge-timeout", type=float, default=defaults.timeout, metavar="SECONDS", help="of a try")
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
        f"--{prefix}prices",
        dest="judge_prices",
        type=Path,
        metavar="FILE",
        help="what tokens cost, YAML or JSON",
    )
    add(
        f"--{prefix}budget",
        dest="judge_budget",
        type=float,
        metavar="SUM",
        help="stop there, in the currency of the prices",
    )
    add(
        f"--{prefix}match",
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
        given = [name for name in JUDGE_OPTIONS if getattr(options, name)]
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
    """Grade what has no grade yet; 1 if anything is left to do."""
    settings = judge_settings(options)
    folders = find_runs([options.run])
    if settings is None:
        raise UsageError("--judge-model: missing; name the judge")
    if not folders:
        raise UsageError(f"{options.run}: no run in it")
    console = Console()
    with open_session(folders, settings, options.data, options.tasks_dir) as session:
        if options.dry_run:
            say("\n".join(map(printable, session.lines())))
            return 0
        try:
            session.grade(console)
        finally:
            console.close()
        return _report_judging(session)


def _report_judging(session: Session) -> int:
    """Say what judging took and what is left to do; 1 if anything is."""
    say(printable(f"judge: {session.budget.words()}"))
    waiting = session.waiting
    if session.budget.stopped:
        words = f"stopped at the budget, {waiting:,} calls are left; a larger --budget goes on"
    elif session.failed:
        words = f"{session.failed:,} calls failed, the reasons are in {GRADES}; the same command"
        words += " makes them again"
    else:
        return 0
    complain(words)
    return 1
