"""The command line: run, judge, score, submit, leaderboard, compare, report, tasks."""

from __future__ import annotations

import argparse
import io
import os
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from llava_eval.comparison import compare
from llava_eval.comparison_formats import FORMATS as COMPARISON_FORMATS
from llava_eval.console import Console, complain, result_table, say
from llava_eval.engines import ENGINES, EngineSettings
from llava_eval.errors import LlavaEvalError, UnfinishedError, UsageError
from llava_eval.explain import DEFAULT, explain, show_explanations
from llava_eval.files import write_json, write_text
from llava_eval.grades import JUDGE, Grading, read_grading
from llava_eval.judges.judge import JUDGES, JudgeSettings
from llava_eval.judges.session import Session, open_session
from llava_eval.leaderboard import FORMATS, Choice, build_leaderboard, refuse_mixture
from llava_eval.predictions import load_grades, load_predictions
from llava_eval.records import Result
from llava_eval.runner import evaluate, run_root
from llava_eval.samples import read_samples
from llava_eval.scorers import SCORERS, JudgedScorer
from llava_eval.scoring import score_predictions
from llava_eval.signals import Terminated, sigterm_as_interrupt
from llava_eval.store import GRADES, find_runs, result_to_json, write_scores
from llava_eval.submissions import submit_run
from llava_eval.tables import printable, text_table
from llava_eval.task import load_task, task_names
from llava_eval.version import __version__

JUDGE_OPTIONS = ("judge_base_url", "judge_rules", "judge_prices", "judge_budget", "judge_match")
DATA_HELP = (
    "where the rows come from: mini, hub, a Hub data set owner/name, a parquet, jsonl or tsv "
    "file, a save_to_disk folder, or LLaVA's playground/data/eval"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 done; 1 something that the user can put right; 2 a wrong command line; 3 a regression; 4 a
    comparison that is inconclusive or refused; as shells have it, 130 interrupted, 143 told to
    end (SIGTERM), 141 nobody reads the output.
    """
    os.umask(os.umask(0) | stat.S_IWOTH)  # not everybody writes to new files, whatever is set
    for stream in (sys.stdout, sys.stderr):  # a console that has no ± gets a ?
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        options = _parser().parse_args(arguments)
        with sigterm_as_interrupt():
            code: int = options.command(options)
            sys.stdout.flush()
    except LlavaEvalError as error:
        complain(str(error))
        return error.exit_code
    except BrokenPipeError:  # `llava-eval tasks | head -1`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt as error:
        told = isinstance(error, Terminated)
        what = "told to end (SIGTERM)" if told else "interrupted"
        complain(f"{what}; the same command continues")
        return 143 if told else 130
    return code


def _run(options: argparse.Namespace) -> int:
    console = Console()
    settings = EngineSettings(
        model=options.model,
        engine=options.engine,
        revision=options.revision,
        family=options.family,
        device=options.device,
        device_map=options.device_map,
        dtype=options.dtype,
        attention=options.attn,
        batch_size=1 if options.exact else options.batch_size,
        share=not options.exact,
        memory=options.memory,
        allow_pickle=options.allow_pickle,
        trust_remote_code=options.trust_remote_code,
        base_url=options.base_url,
        api_key_env=options.api_key_env,
        concurrency=options.concurrency,
        timeout=options.timeout,
        prices=options.prices,
    )
    failures: Mapping[str, LlavaEvalError] = {}
    try:
        results = evaluate(
            options.model,
            options.tasks,
            data=options.data,
            limit=options.limit,
            out=options.out,
            retry_failed=options.retry_failed,
            settings=settings,
            watcher=console,
            tasks_dir=options.tasks_dir,
            until=options.until,
            max_failures=options.max_failures,
            judge=_judge_settings(options),
        )
    except UnfinishedError as error:
        results, failures = error.results, error.failures
    finally:
        console.close()
    if results:
        _show_all(run_root(options.model, options.out), options.out is None)
    failed = sum(result.failed for result in results)
    if failed:
        advice = "the reasons are in predictions.jsonl; --retry-failed asks again"
        complain(f"{failed:,} requests failed; {advice}")
    for name, reason in failures.items():
        complain(f"{name} did not finish: {reason}")
    ungraded = [result for result in results if _waits_for_judge(result)]
    if ungraded:
        answers, names = sum(r.ungraded for r in ungraded), ", ".join(r.task for r in ungraded)
        root = run_root(options.model, options.out)
        how = f"llava-eval judge {root} --judge-model NAME --judge-base-url URL"
        say(printable(f"{answers:,} answers of {names} are stored and wait for a judge: {how}"))
    return 1 if failed or failures or (ungraded and options.judge_model) else 0


def _show_all(root: Path, beside_others: bool) -> None:
    """Print the table of a model, and write that of all models where it is among others."""
    say(f"\n{FORMATS['text'](build_leaderboard(find_runs([root]), ranked=False))}")
    if beside_others:
        table = root.parent.parent / "leaderboard.md"
        board = build_leaderboard(find_runs([root.parent]), ranked=False)
        write_text(table, FORMATS["md"](board) + "\n")
        say(printable(f"all runs: {table}"))


def _waits_for_judge(result: Result) -> bool:
    return bool(result.ungraded) and isinstance(SCORERS[result.scorer], JudgedScorer)


def _judge_settings(options: argparse.Namespace) -> JudgeSettings | None:
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


def _judge(options: argparse.Namespace) -> int:
    settings = _judge_settings(options)
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


def _score(options: argparse.Namespace) -> int:
    task = load_task(options.task, options.tasks_dir)
    data = read_samples(task, options.data)
    predictions = load_predictions(options.predictions, task, data)
    given = _grading(options.grades)
    scores, result = score_predictions(
        task, data, predictions, given.replies, given.judge, given.dialect
    )
    say(result_table(result))
    if options.json:
        write_json(options.json, result_to_json(result))
    if options.scores:
        write_scores(options.scores, scores)
    return 0


def _grading(path: Path | None) -> Grading:
    """Read grades: of a run folder, with whose they are; else as they are."""
    if path is None:
        return Grading()
    ours = path.name == GRADES and (path.parent / JUDGE).exists()
    return read_grading(path.parent) if ours else Grading(load_grades(path))


def _submit(options: argparse.Namespace) -> int:
    folders = find_runs([options.run])
    if not folders:
        raise UsageError(f"{options.run}: no run in it")
    for folder in folders:
        out = options.out / folder.name if options.out and len(folders) > 1 else options.out
        written, goes_to = submit_run(folder, options.data, out, options.tasks_dir)
        say("\n".join(map(printable, [*map(str, written), goes_to])))
    return 0


def _leaderboard(options: argparse.Namespace) -> int:
    missing = [path for path in options.runs if not path.is_dir()]
    if missing:
        raise UsageError(f"{missing[0]}: no such folder of runs")
    runs = options.runs or [Path("results/runs")]
    choice = Choice(_names(options.tasks), _names(options.models), options.sort)
    board = build_leaderboard(find_runs(runs), choice)
    if options.strict:
        refuse_mixture(board)
    table = FORMATS[options.format](board)
    if options.out:
        write_text(options.out, table + "\n")
    else:
        say(table)
    return 0


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _explain(options: argparse.Namespace) -> int:
    if not options.run.is_dir():
        raise UsageError(f"{options.run}: no such folder of runs")
    say(show_explanations(explain(options.run, options.against, options.tasks_dir)))
    return 0


def _compare(options: argparse.Namespace) -> int:
    comparison = compare(
        options.baseline,
        options.candidate,
        max_drop=options.max_drop,
        force=options.force,
        tasks=options.tasks,
        data=options.data,
        tasks_dir=options.tasks_dir,
    )
    say(COMPARISON_FORMATS[options.format](comparison))
    return comparison.exit_code


def _report(options: argparse.Namespace) -> int:
    from llava_eval.report.command import report  # matplotlib and Jinja2 take a second

    return report(options)


def _tasks(options: argparse.Namespace) -> int:
    rows = [["task", "title", "primary metric", "rows"]]
    for name in task_names(options.tasks_dir):
        task = load_task(name, options.tasks_dir)
        counts = " or ".join(f"{count:,}" for count in task.versions)
        rows.append([name, task.title, task.primary, counts])
    say(text_table(rows))
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, like all others."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line, without repeating all of its options."""
        raise UsageError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="llava-eval", description="Evaluate LLaVA checkpoints, exactly and with error bars."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="evaluate a model on tasks"))
    _add_judge(commands.add_parser("judge", help="grade the answers of finished runs"))
    _add_score(commands.add_parser("score", help="score a predictions file, without a model"))
    _add_submit(commands.add_parser("submit", help="write the files that a server takes"))
    _add_leaderboard(commands.add_parser("leaderboard", help="all results in one table"))
    _add_compare(commands.add_parser("compare", help="a candidate against a baseline, for CI"))
    _add_report(commands.add_parser("report", help="a page to look at: table, plots, every sample"))
    _add_explain(commands.add_parser("explain", help="why a number is not the published one"))
    tasks = commands.add_parser("tasks", help="list the tasks")
    _add_tasks_dir(tasks)
    tasks.set_defaults(command=_tasks)
    return parser


def _add_tasks_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tasks-dir", type=Path, metavar="DIR", help="cards of your own")


def _add_run(parser: argparse.ArgumentParser) -> None:
    defaults = EngineSettings("demo")
    add = parser.add_argument
    add("--model", required=True, help="demo, a folder, a Hub model owner/name, or a server's name")
    add("--tasks", required=True, metavar="A,B", help="names with commas between, or all")
    add("--data", metavar="SOURCE", help=f"{DATA_HELP} (default: hub; mini for the demo)")
    add("--out", type=Path, metavar="DIR", help="one folder per task in it (results/runs/MODEL)")
    add(
        "--limit",
        type=int,
        metavar="N",
        help="draw N samples or fewer, but whole images: one at least",
    )
    add(
        "--until",
        type=float,
        metavar="WIDTH",
        help="draw whole images until the 95 %% interval is so narrow to either side",
    )
    add("--batch-size", type=int, default=defaults.batch_size, metavar="N")
    add("--memory", type=float, metavar="GIB", help="for the cache (default: half of what is free)")
    add("--exact", action="store_true", help="every request alone, nothing shared: slow")
    add("--device", default=defaults.device, help="auto, cpu, cuda, cuda:1, mps")
    add("--device-map", metavar="auto", help="spread a large model over all GPUs")
    add("--dtype", default=defaults.dtype, help="auto, float32, float16, bfloat16")
    add("--attn", default=defaults.attention, help="sdpa, eager, flash_attention_2")
    add("--engine", default=defaults.engine, help=", ".join(ENGINES))
    add("--base-url", metavar="URL", help="of the server, with --engine server")
    add("--api-key-env", default=defaults.api_key_env, metavar="NAME", help="holds its key")
    add("--concurrency", type=int, default=defaults.concurrency, metavar="N", help="requests")
    add("--timeout", type=float, default=defaults.timeout, metavar="SECONDS", help="of one try")
    add("--prices", type=Path, metavar="FILE", help="what tokens cost, YAML or JSON")
    add("--family", help="conversation template and image policy, if not recognised")
    add("--revision", help="branch, tag or commit of a Hub model")
    add(
        "--max-failures",
        metavar="N|P%",
        help="samples of a task that may fail before it is stopped (1%%, once more than ten "
        "have; or three batches in a row)",
    )
    add("--retry-failed", action="store_true", help="ask again what failed in an earlier run")
    add("--allow-pickle", action="store_true", help="load weights that are not safetensors")
    add("--trust-remote-code", action="store_true", help="run code that comes with the model")
    _add_judge_options(parser, "judge-")
    _add_tasks_dir(parser)
    parser.set_defaults(command=_run)


def _add_judge(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="a run folder, or a folder of them")
    add("--data", metavar="SOURCE", help="where the rows are, if not where the run found them")
    add("--dry-run", action="store_true", help="say what it would take, and stop")
    _add_judge_options(parser, "")
    _add_tasks_dir(parser)
    parser.set_defaults(command=_judge)


def _add_judge_options(parser: argparse.ArgumentParser, prefix: str) -> None:
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


def _add_score(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("task", help="name of the task")
    add("--data", required=True, metavar="SOURCE", help=DATA_HELP)
    add("--predictions", required=True, type=Path, metavar="FILE", help="jsonl, one per answer")
    add("--grades", type=Path, metavar="FILE", help="a judge's replies: jsonl of id and replies")
    add("--json", type=Path, metavar="FILE", help="write the result there")
    add("--scores", type=Path, metavar="FILE", help="write one line per row there")
    _add_tasks_dir(parser)
    parser.set_defaults(command=_score)


def _add_submit(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run", type=Path, help="a run folder, or a folder of them")
    add("--data", metavar="SOURCE", help="where the rows are, if not where the run found them")
    add("--out", type=Path, metavar="DIR", help="(RUN/submission)")
    _add_tasks_dir(parser)
    parser.set_defaults(command=_submit)


def _add_explain(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("run", type=Path, help="a run folder, or a folder of them")
    add("--against", default=DEFAULT, metavar="ROW", help=f"a row of the table ({DEFAULT})")
    _add_tasks_dir(parser)
    parser.set_defaults(command=_explain)


def _add_leaderboard(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("runs", nargs="*", type=Path, metavar="RUN", help="(results/runs)")
    add("--format", choices=FORMATS, default="text")
    add("--tasks", default="", metavar="A,B", help="columns, in this order (what was measured)")
    add("--models", default="", metavar="A,B", help="rows whose names have one of these in them")
    add("--sort", default="", metavar="TASK", help="highest number first")
    add("--strict", action="store_true", help="refuse numbers that are not their column's")
    add("--out", type=Path, metavar="FILE", help="write the table there")
    parser.set_defaults(command=_leaderboard)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("baseline", type=Path, metavar="BASELINE", help="a run folder, or a folder of them")
    add("candidate", type=Path, metavar="CANDIDATE", help="the same")
    add(
        "--max-drop",
        type=float,
        default=0.5,
        metavar="PERCENT",
        help="drop that is allowed, in percent of a metric's full scale (0.5)",
    )
    add("--format", choices=COMPARISON_FORMATS, default="text")
    add("--tasks", metavar="A,B", help="names with commas between (all of the baseline)")
    add("--data", metavar="SOURCE", help="where the rows are, if not where the candidate has them")
    add("--force", action="store_true", help="compare what is not comparable, and say so")
    _add_tasks_dir(parser)
    parser.set_defaults(command=_compare)


def _add_report(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("runs", nargs="+", type=Path, metavar="RUN", help="run folders, or folders of them")
    add(
        "--out",
        type=Path,
        metavar="PATH",
        help="folder of the report (results/report); of md, file",
    )
    add("--open", action="store_true", help="open the page in a browser")
    add("--format", choices=("html", "md"), default="html", help="md: for a pull request's comment")
    add("--figures", default="", metavar="PNG,SVG", help="write the plots as files too")
    add(
        "--images",
        choices=("auto", "full", "thumbnails", "none"),
        default="auto",
        help="auto: in full for tasks of up to 1,000 images",
    )
    add("--no-samples", action="store_true", help="no sample browser; the rows are not read")
    add("--data", metavar="SOURCE", help="where the rows are, if not where the runs found them")
    add("--force", action="store_true", help="take other rows than the runs', and say so")
    _add_tasks_dir(parser)
    parser.set_defaults(command=_report)
