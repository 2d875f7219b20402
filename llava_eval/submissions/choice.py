"""MMBench's spreadsheet and SEED-Bench's lines."""

from __future__ import annotations

import io
import json
import re
import string
from collections.abc import Mapping
from pathlib import Path

from llava_eval.errors import PredictionsError, brief
from llava_eval.files import write_bytes, write_text
from llava_eval.records import DataSet, Prediction, Sample

MMBENCH_COLUMNS = ("index", "question", *"ABCD", "prediction", "answer", "split")

MMBENCH_SERVER = (
    "MMBench's server, which closed on 31 March 2026; the answers of the test split are public "
    "(open-compass/MMBench, issue 61)"
)
SEED_LEADERBOARD = "the SEED-Bench leaderboard, through SEED-Bench's own notebook"

# What the XML in a spreadsheet cannot hold: control characters and lone surrogates.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_CELL = 32_767  # characters


def write_mmbench(data: DataSet, predictions: Mapping[str, Prediction], folder: Path) -> list[Path]:
    """Write `mmbench.xlsx`: every row, the prediction as the model gave it.

    Missing and failed predictions are empty cells, and so are missing options and an answer
    that the split withholds. Every text is a text: "None" and "NA" are no gaps, "=1" is no
    formula and "#N/A" no error value.

    Args:
        data: All rows, in whose order the lines stand.
        predictions: By sample id.
        folder: Where the file goes.

    Source: haotian-liu/LLaVA, `scripts/convert_mmbench_for_submission.py`.
    Departs: Options behind a missing one are empty. Characters that a spreadsheet cannot hold
    become U+FFFD, and an answer is cut at the 32,767 characters of a cell.
    """
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Sheet1"
    sheet.append(MMBENCH_COLUMNS)
    for line, sample in enumerate(data.samples, 2):
        for column, value in enumerate(_mmbench_cells(sample, predictions.get(sample.id)), 1):
            cell = sheet.cell(line, column, _cell_text(value))
            if isinstance(value, str):
                cell.data_type = "s"
    path = folder / "mmbench.xlsx"
    content = io.BytesIO()
    book.save(content)
    write_bytes(path, content.getvalue())
    return [path]


def _mmbench_cells(sample: Sample, prediction: Prediction | None) -> list[str | int | None]:
    answered = prediction is not None and not prediction.failed
    options = dict(zip(string.ascii_uppercase, sample.choices, strict=False))
    return [
        int(sample.id),
        sample.question,
        *(options.get(letter) for letter in "ABCD"),
        prediction.text if prediction is not None and answered else None,
        sample.references[0] if sample.references else None,
        sample.groups["split"] or None,
    ]


def _cell_text(value: str | int | None) -> str | int | None:
    return _NOT_XML.sub("\ufffd", value)[:_CELL] if isinstance(value, str) else value


def write_seedbench(
    data: DataSet, predictions: Mapping[str, Prediction], folder: Path
) -> list[Path]:
    """Write `seed_bench.jsonl`: one {"question_id", "prediction"} a question.

    Args:
        data: All questions, in whose order the lines stand. Two have the same id; each gets its
            own line under it.
        predictions: By sample id.
        folder: Where the file goes.

    Raises:
        PredictionsError: A question has no answer.

    Source: haotian-liu/LLaVA, `scripts/convert_seed_for_submission.py`, which stops there too.
    """
    lines = []
    for sample in data.samples:
        prediction = predictions.get(sample.id)
        if prediction is None or prediction.failed:
            raise PredictionsError(
                f"seedbench: question {brief(sample.id)} has no answer, and SEED-Bench takes only "
                "complete sets; finish the run first"
            )
        line = {"question_id": sample.llava_id, "prediction": prediction.text.strip()}
        lines.append(json.dumps(line) + "\n")
    path = folder / "seed_bench.jsonl"
    write_text(path, "".join(lines))
    return [path]
