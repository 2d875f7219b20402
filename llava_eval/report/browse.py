"""The sample browser's files: everything about every row, written as a stream beside the page.

    data/<task>/index.js        one line of each row, by column: what is listed, filtered, searched
    data/<task>/rows-<k>.js     rows k * chunk to (k + 1) * chunk - 1 with all that is known
    images/<task>/sheet-<k>.webp  thumbnails, `per_sheet` to a sheet, each picture once
    images/<task>/<n>.<ext>     picture n as the data set has it, where pictures are kept in full

Scripts, as a page that is opened from a file may not fetch. Each is one call,
`llavaEval.put("<task>/index", {...})` or `llavaEval.put("<task>/rows-0", [...])`. Names are made
of the task's name and numbers only; ids, texts and groups are data, never a name or a key.

`index` holds (every array that is not said to be otherwise has one item per row):

    task, n         its name; number of rows
    chunk           rows per `rows-<k>.js`
    ids             text; of rows that differ between the runs under one id, "id (model)"
    question        text, cut to 5,000 characters, as every text here
    reference       the distinct references, the most frequent first, with "; " between
    image           number of the row's (first) picture, or -1
    cluster         {values: [text, ...], codes: [...]}: code is a place in values, or -1 for none
    circles         whether what is compared are clusters, the circles of MMBench, and not rows
    groups          [{name, values, codes}, ...], the same
    runs            one object per run of the task, in the order of the subject's models:
        model       title of the table's row
        template    name of the conversation template around the prompt; "" if it is not known
        note        "" or why the prompts of this run are not known to the character
        text        the answer; "" if there is none
        error       why there is none, or ""
        parsed      what the rule read out of it, text or null
        outcome     one string with a letter per row, see `measures.OUTCOMES`:
                    r right, p partly, w wrong, u unparsed, f failed, m missing, g ungraded,
                    - not asked (the row is in another run's draw)
        value       in [0, 1], or null
        paired      what the row counts when runs are compared, see `units`, or null. Gained or
                    lost between two runs: it rises or falls, where both have one
    images          {n, side, columns, per_sheet, sheets, thumbs, sizes, files, broken}:
        n           number of distinct pictures
        side        pixels of a cell of a sheet, which is square
        columns     cells in a line; picture i is cell i % per_sheet of sheet i // per_sheet,
                    at its upper left corner
        sheets      paths from the page; [] with --images none, and then thumbs and sizes too
        thumbs      [width, height, width, ...] in its cell, flat, two per picture
        sizes       the same of the picture itself; 0, 0 if it cannot be read
        files       path of each picture in full, "" for one that cannot be read; [] if not kept
        broken      [[number, reason], ...]: pictures that cannot be read; a cross is in the cell

A row of `rows-<k>` is

    question, choices, references, hint    as the benchmark has them; text or arrays of text
    prompts         distinct prompts of the runs, mostly one; each an array of the pieces of text,
                    and the image stands between two pieces
    images          numbers of all its pictures, where there are several; else absent
    runs            as in the index; null where it has no answer and no reply to show
        prompt      place in `prompts`
        text        the answer, verbatim
        finish      "stop", "length", "error" or ""
        error       why there is no answer, or ""
        tokens      [prompt, answer]; 0 is not known
        replies     of the judge, in order
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from llava_eval.errors import UsageError, nearest
from llava_eval.records import Json
from llava_eval.report.browse_prompts import prompts_of
from llava_eval.report.browse_rows import BrowsedRow, details, index_parts, join_rows
from llava_eval.report.browse_script import json_array, write_script
from llava_eval.report.subject import Subject, TaskRun
from llava_eval.report.thumbnails import (
    COLUMNS,
    PER_SHEET,
    SIDE,
    Pictures,
    distinct_images,
    write_pictures,
)
from llava_eval.report.units import counts_circles

CHUNK = 200
IMAGES = ("auto", "full", "thumbnails", "none")
MOST_IN_FULL = 1000  # pictures of a task that "auto" keeps in full


@dataclass(frozen=True)
class Written:
    """What was written of one task.

    Attributes:
        task: Its name.
        rows: Number of rows.
        pictures: Number of distinct pictures.
        broken: Those of them that cannot be read.
        full: Whether pictures are kept in full.
        size: Of all files, in bytes.
    """

    task: str
    rows: int
    pictures: int
    broken: int
    full: bool
    size: int


def write_samples(subject: Subject, out: Path, images: str = "auto") -> tuple[Written, ...]:
    """Write the browser's files of every task whose rows could be read.

    Args:
        subject: The runs.
        out: The report's folder.
        images: "full", "thumbnails", "none", or "auto": in full for at most 1,000 pictures of a
            task, else thumbnails.

    Raises:
        UsageError: `images` is none of these.
        RunError: A file cannot be written, or a run does not say how it asked.
    """
    if images not in IMAGES:
        raise UsageError(f"--images {images}: not known; {nearest(images, IMAGES)}")
    found = ([run for run in subject.of_task(name) if run.data] for name in subject.tasks)
    return tuple(write_task(runs, out, images) for runs in found if runs)


def write_task(runs: Sequence[TaskRun], out: Path, images: str) -> Written:
    """Write the files of one task.

    Args:
        runs: Of this task, all with rows.
        out: The report's folder.
        images: As in `write_samples`.

    Raises:
        RunError: As `write_samples`.
    """
    task, rows = runs[0].task.name, join_rows(runs)
    prompts = [prompts_of(run) for run in runs]
    refs, numbers = distinct_images(row.sample for row in rows)
    full = images == "full" or (images == "auto" and len(refs) <= MOST_IN_FULL)
    pictures = Pictures(len(refs))
    if images != "none":
        pictures = write_pictures(refs, out / "images" / task, full)
    folder, size = out / "data" / task, pictures.size
    for number, chunk in enumerate(_chunks(rows)):
        parts = json_array(details(row, runs, prompts, numbers) for row in chunk)
        size += write_script(folder / f"rows-{number}.js", f"{task}/rows-{number}", parts)
    circles = counts_circles(runs[0])
    head = {"task": task, "n": len(rows), "chunk": CHUNK, "circles": circles}
    index = index_parts(head, rows, runs, prompts, _described(pictures, task), numbers)
    size += write_script(folder / "index.js", f"{task}/index", index)
    kept = full and images != "none"
    return Written(task, len(rows), len(refs), len(pictures.broken), kept, size)


def _chunks(rows: Sequence[BrowsedRow]) -> Iterator[Sequence[BrowsedRow]]:
    return (rows[first : first + CHUNK] for first in range(0, len(rows), CHUNK))


def _described(pictures: Pictures, task: str) -> Json:
    """Say where the pictures are."""
    return {
        "n": pictures.n,
        "side": SIDE,
        "columns": COLUMNS,
        "per_sheet": PER_SHEET,
        "sheets": [f"images/{task}/{name}" for name in pictures.sheets],
        "thumbs": list(chain.from_iterable(pictures.thumbs)),
        "sizes": list(chain.from_iterable(pictures.sizes)),
        "files": [name and f"images/{task}/{name}" for name in pictures.files],
        "broken": pictures.broken,
    }
