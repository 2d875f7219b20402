"""Runs to a report: the page, its samples, its figures.

read_subject -> prepare_folder -> samples (streamed) -> figures -> render_page -> index.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llava_eval.files import write_text
from llava_eval.report.build_folder import PAGE, prepare_folder
from llava_eval.report.page import Drawing, render_page
from llava_eval.report.subject import Subject


@dataclass(frozen=True)
class Built:
    """A report on disk.

    Attributes:
        page: What to open.
        size: Bytes of all its files.
    """

    page: Path
    size: int


def build_report(
    subject: Subject,
    out: Path,
    images: str = "auto",
    samples: bool = True,
    figures: Sequence[str] = (),
) -> Built:
    prepare_folder(out)
    page = render_page(subject, [])
    write_text(out / PAGE, page)
    return Built(out / PAGE, 0)
