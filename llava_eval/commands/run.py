"""`llava-eval run`: evaluate a model on tasks."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from llava_eval.commands.judge import add_judge_options, judge_settings
from llava_eval.commands.options import DATA_HELP, add_tasks_dir
from llava_eval.console import Console, complain, say
from llava_eval.engines import ENGINES, EngineSettings
from llava_eval.errors import LlavaEvalError, UnfinishedError
from llava_eval.files import write_text
from llava_eval.leaderboard import FORMATS, build_leaderboard
from llava_eval.records import Result
from llava_eval.runner import evaluate, run_root
from llava_eval.scorers import SCORERS, JudgedScorer
from llava_eval.store import find_runs
from llava_eval.tables import printable


def configure(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
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
    add_judge_options(parser)
    add_tasks_dir(parser)
    parser.set_defaults(command=execute)


def execute(options: argparse.Namespace) -> int:
    """Evaluate, show the table, and say what is left to do; 1 if anything is."""
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
            judge=judge_settings(options),
        )
    except UnfinishedError as error:
        results, failures = error.results, error.failures
    finally:
        console.close()
    if results:
        _show_all(run_root(options.model, options.out), options.out is None, options.tasks_dir)
    failed = sum(result.failed for result in results)
    if failed:
        advice = "the reasons are in predictions.jsonl; --retry-failed asks again"
        complain(f"{failed:,} requests failed; {advice}")
    for name, reason in failures.items():
        complain(f"{name} did not finish: {reason}")
    ungraded = [result for result in results if _waits_for_judge(result)]
    if ungraded:
        answers, names = sum(r.ungraded for r in ungraded), ", ".join(r.task for r in ungraded)
        how = _how_to_judge(options)
        say(printable(f"{answers:,} answers of {names} are stored and wait for a judge: {how}"))
    return 1 if failed or failures or (ungraded and options.judge_model) else 0


def _how_to_judge(options: argparse.Namespace) -> str:
    if options.judge_model:
        return "the same command goes on"
    root = run_root(options.model, options.out)
    return f"llava-eval judge {root} --judge-model NAME --judge-base-url URL"


def _show_all(root: Path, beside_others: bool, tasks_dir: Path | None) -> None:
    """Print the table of a model, and write that of all models where it is among others."""
    board = build_leaderboard(find_runs([root]), ranked=False, tasks_dir=tasks_dir)
    say(f"\n{FORMATS['text'](board)}")
    if beside_others:
        table = root.parent.parent / "leaderboard.md"
        board = build_leaderboard(find_runs([root.parent]), ranked=False, tasks_dir=tasks_dir)
        write_text(table, FORMATS["md"](board) + "\n")
        say(printable(f"all runs: {table}"))


def _waits_for_judge(result: Result) -> bool:
    return bool(result.ungraded) and isinstance(SCORERS[result.scorer], JudgedScorer)
