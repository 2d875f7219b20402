"""`llava-eval report`: a page to look at: table, plots, every sample."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from llava_eval.commands.options import add_tasks_dir
from llava_eval.console import complain, say
from llava_eval.errors import UsageError
from llava_eval.files import write_text
from llava_eval.tables import printable

if TYPE_CHECKING:
    from llava_eval.report.subject import Subject

OUT = Path("results/report")
FIGURE_FORMATS = ("png", "svg")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
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
    add(
        "--max-drop",
        type=float,
        default=0.5,
        metavar="PERCENT",
        help="drop that the differences allow, in percent of a metric's full scale (0.5)",
    )
    add("--force", action="store_true", help="take other rows than the runs', and say so")
    add_tasks_dir(parser)
    parser.set_defaults(command=execute)


def execute(options: argparse.Namespace) -> int:
    """Write what the options ask for.

    Returns:
        0; 1 if the rows of a run could not be read, so that its samples are not in the report.

    Raises:
        LlavaEvalError: Anything that a user can put right.
    """
    from llava_eval.report.subject import read_subject  # matplotlib and Jinja2 take a second

    formats = _figure_formats(options)
    subject = read_subject(
        options.runs,
        data=options.data,
        tasks_dir=options.tasks_dir,
        force=options.force,
        samples=not options.no_samples,
        max_drop=options.max_drop,
    )
    if options.format == "md":
        _write_markdown(subject, options.out)
    else:
        _write_page(subject, options, formats)
    unread = [run for run in subject.runs if run.why_no_rows]
    for run in unread:
        complain(f"{run.model}, {run.task.name}: no samples in the report: {run.why_no_rows}")
    for run in subject.runs:
        if run.stale:
            complain(run.stale)
    return 1 if unread else 0


def _figure_formats(options: argparse.Namespace) -> tuple[str, ...]:
    formats = tuple(filter(None, (name.strip() for name in options.figures.split(","))))
    for name in formats:
        if name not in FIGURE_FORMATS:
            known = ", ".join(FIGURE_FORMATS)
            raise UsageError(f"--figures {name}: no such format; known: {known}")
    if options.format == "md" and (formats or options.open):
        raise UsageError("--format md: is text alone; leave --figures and --open out")
    return formats


def _write_markdown(subject: Subject, out: Path | None) -> None:
    from llava_eval.report.markdown import markdown

    text = markdown(subject)
    if out is None:
        say(text)
    else:
        write_text(out, text + "\n")


def _write_page(subject: Subject, options: argparse.Namespace, formats: tuple[str, ...]) -> None:
    from llava_eval.report.build import build_report

    built = build_report(
        subject,
        options.out or OUT,
        images=options.images,
        samples=not options.no_samples,
        figures=formats,
    )
    say(printable(f"{built.words}: {built.page}"))
    if options.open:
        import webbrowser

        webbrowser.open(built.page.resolve().as_uri())
