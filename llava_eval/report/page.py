"""The page: one HTML document that opens from a file and asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llava_eval.report.browse_rows import MOST_OF_A_TEXT
from llava_eval.report.page_differences import differences_view
from llava_eval.report.page_table import table_view
from llava_eval.report.page_tasks import task_views
from llava_eval.report.subject import Subject
from llava_eval.tables import printable
from llava_eval.version import __version__

TEMPLATES = Path(__file__).parent / "templates"
HEAD = ("theme.js", "early.js")
BODY = (
    "dom.js",
    "theme.js",
    "table.js",
    "data.js",
    "address.js",
    "filters.js",
    "list.js",
    "details.js",
    "browser.js",
    "main.js",
)


@dataclass(frozen=True)
class Drawing:
    """A figure as it stands in the page.

    Attributes:
        name: Unique; in the address and in file names.
        title: Heading.
        description: What a reader sees who cannot see it.
        svg: Our own markup, in which other people's text is escaped.
        task: Whose it is; "" for one about all of them.
        wide: Whether it is as wide as a page, and not as one of its columns.
    """

    name: str
    title: str
    description: str
    svg: str
    task: str = ""
    wide: bool = True


def render_page(
    subject: Subject,
    drawings: Sequence[Drawing] = (),
    browsed: Sequence[str] = (),
    size: str = "",
    remarks: Sequence[str] = (),
) -> str:
    """Write the page.

    Args:
        subject: What it is about.
        drawings: In the order of the page.
        browsed: Names of the tasks that have samples beside the page.
        size: How large the files beside the page are, in words.
        remarks: What a reader must know of the whole, one line each.

    Returns:
        HTML. Every text of others is escaped; scripts run only if their digest is the one that
        the page's own policy names, or if they lie beside the page.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    head, body = script(HEAD), script(BODY)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    return environment.get_template("index.html.j2").render(
        title=_title(subject),
        policy=policy((head, body)),
        style=(TEMPLATES / "page.css").read_text(encoding="utf-8"),
        head=head,
        body=body,
        models=subject.models,
        samples=sum(run.result.n for run in subject.runs),
        table=table_view(subject, browsed),
        differences=differences_view(subject.comparison),
        tasks=task_views(subject, browsed),
        overall=[drawing for drawing in drawings if not drawing.task],
        drawings={
            name: [drawing for drawing in drawings if drawing.task == name]
            for name in subject.tasks
        },
        browsed=[{"name": name, "title": subject.of_task(name)[0].task.title} for name in browsed],
        unread=[
            f"{run.model}, {run.task.name}: {run.why_no_rows}"
            for run in subject.runs
            if run.why_no_rows
        ],
        searched=MOST_OF_A_TEXT,
        stale=[run.stale for run in subject.runs if run.stale],
        uncompared=len(subject.models) == 2 and subject.comparison is None,
        size=size,
        remarks=remarks,
        version=__version__,
    )


def script(names: Sequence[str]) -> str:
    """Return files of script as one that shares no names with any other."""
    files = [(TEMPLATES / "js" / name).read_text(encoding="utf-8") for name in names]
    return "\n".join(['"use strict";', "{", *files, "}"])


def policy(scripts: Sequence[str]) -> str:
    """Return the page's Content-Security-Policy: these scripts, and files beside the page.

    Styles may stand in the page, which the figures need; no style can ask anybody for anything,
    since every other source is closed.
    """
    digests = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts
    ]
    own = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src 'self' {own}; style-src 'unsafe-inline'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'"
    )


def _title(subject: Subject) -> str:
    models = " and ".join(subject.models) if len(subject.models) < 3 else ""
    return f"Report on {models or f'{len(subject.models)} models'}"


def _harmless(value: Any) -> Any:
    """Show characters that would turn text around or hide it as what they are."""
    if type(value) is not str:  # markup is our own
        return value
    return "\n".join(printable(line) for line in value.split("\n"))
