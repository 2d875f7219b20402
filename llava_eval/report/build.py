"""Runs to a report: the page, its samples, its figures.

read_subject -> prepare_folder -> write_samples (streamed) -> draw_all -> render_page
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from llava_eval.files import write_text
from llava_eval.report.browse import Written, write_samples
from llava_eval.report.build_folder import FIGURES, PAGE, prepare_folder
from llava_eval.report.figures import as_svg, draw_all, save
from llava_eval.report.figures.style import SINGLE
from llava_eval.report.page import Drawing, render_page
from llava_eval.report.subject import Subject


@dataclass(frozen=True)
class Built:
    """A report on disk.

    Attributes:
        page: What to open.
        written: The samples of each task.
        size: Bytes of all files.
    """

    page: Path
    written: tuple[Written, ...]
    size: int

    @property
    def words(self) -> str:
        """What it is, in one line."""
        return f"{describe(self.written)}, {megabytes(self.size)}"


def build_report(
    subject: Subject,
    out: Path,
    images: str = "auto",
    samples: bool = True,
    figures: Sequence[str] = (),
) -> Built:
    """Write a report into a folder.

    Args:
        subject: What it is about.
        out: Made if it does not exist; an earlier report in it is replaced.
        images: "full", "thumbnails", "none", or "auto"; see `browse.write_samples`.
        samples: Whether it has the samples.
        figures: Formats of plots to write as files too: png, svg.

    Raises:
        UsageError: The folder holds something else.
        RunError: A file cannot be written.
    """
    prepare_folder(out)
    written = write_samples(subject, out, images) if samples else ()
    size = sum(task.size for task in written)
    drawings = list(_drawings(subject, out, figures))
    page = render_page(
        subject,
        drawings,
        [task.task for task in written],
        f"The samples beside it take {megabytes(size)}" if written else "",
        list(_remarks(written, images)),
    )
    write_text(out / PAGE, page)
    files = [path for path in (out / FIGURES).glob("*") if path.is_file()]
    size += len(page.encode()) + sum(path.stat().st_size for path in files)
    return Built(out / PAGE, written, size)


def _drawings(subject: Subject, out: Path, formats: Sequence[str]) -> Iterator[Drawing]:
    """Draw each figure once, for the page and for the files."""
    for drawn in draw_all(subject):
        for form in formats:
            save(drawn.figure, out / FIGURES / f"{drawn.name}.{form}")
        wide = drawn.figure.get_figwidth() > SINGLE
        words = drawn.name, drawn.title, drawn.description
        yield Drawing(*words, as_svg(drawn), drawn.task, wide)


def _remarks(written: Sequence[Written], images: str) -> Iterator[str]:
    """Say what a reader would look for in vain."""
    small = [t.task for t in written if t.pictures > t.broken and not t.full]
    if images == "none":
        yield "Images are not in this report (--images none)."
    elif small:
        names = ", ".join(small)
        yield f"Images of {names} are here as thumbnails only (--images full keeps them all)."
    for task in written:
        if task.broken:
            yield f"{task.broken:,} of {task.pictures:,} images of {task.task} cannot be read."


def describe(written: Sequence[Written]) -> str:
    """Say how much a report holds.

    >>> describe([Written("pope", 9000, 500, 0, True, 10)])
    '9,000 samples of 1 task, 500 images'
    """
    rows, pictures = sum(task.rows for task in written), sum(task.pictures for task in written)
    tasks = f"{len(written)} task" + ("" if len(written) == 1 else "s")
    return f"{rows:,} samples of {tasks}, {pictures:,} images" if written else "no samples"


def megabytes(size: int) -> str:
    """Write a size.

    >>> megabytes(12_345_678)
    '12.3 MB'
    """
    return f"{size / 1e6:,.1f} MB"
