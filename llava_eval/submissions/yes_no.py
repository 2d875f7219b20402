"""MME's folder of answers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from llava_eval.errors import PredictionsError
from llava_eval.files import write_text
from llava_eval.records import DataSet, Prediction, Sample
from llava_eval.scorers.yes_no import MME_TASKS


def write_mme(data: DataSet, predictions: Mapping[str, Prediction], folder: Path) -> list[Path]:
    """Write `<category>.txt` with lines of text file, question, label and answer, tabs between.

    Args:
        data: Categories in any order; the two lines of an image are put one after the other,
            since MME's tool takes consecutive lines for pairs.
        predictions: By sample id.
        folder: Where the files go.

    Returns:
        One file per category that the data has.

    Raises:
        PredictionsError: A question has no answer, or an image not exactly two questions, or a
            category is missing: MME's tool would stop, or pair the wrong lines.

    Source: haotian-liu/LLaVA, `convert_answer_to_mme.py` of `eval.zip`.
    Departs: Every tab and line break becomes one blank. LLaVA's converter writes them as they
    are and they shift the columns; character for character, the tool reads the same answer.
    """
    lines: defaultdict[str, defaultdict[str, list[str]]]
    lines = defaultdict(lambda: defaultdict(list))
    for sample in data.samples:
        line = _line(sample, predictions.get(sample.id))
        lines[sample.groups["category"]][sample.cluster].append(line)
    _check_complete(lines)
    paths = []
    for category, images in lines.items():
        paths.append(folder / f"{category}.txt")
        text = "".join(line for pair in images.values() for line in pair)
        write_text(paths[-1], text.encode(errors="replace").decode())
    return paths


def _line(sample: Sample, prediction: Prediction | None) -> str:
    if prediction is None or prediction.failed:
        raise PredictionsError(
            f"mme: row {sample.id} has no answer, and MME's tool takes only complete sets; "
            "finish the run first"
        )
    file = f"{Path(sample.cluster).name.split('.')[0]}.txt"
    fields = (file, sample.question, sample.references[0], prediction.text)
    return "\t".join(re.sub(r"[\t\n\r]", " ", field) for field in fields) + "\n"


def _check_complete(lines: Mapping[str, Mapping[str, list[str]]]) -> None:
    missing = [name for name in MME_TASKS if name not in lines]
    if missing:
        raise PredictionsError(f"mme: no rows of {', '.join(missing)}; give all of MME")
    for category, images in lines.items():
        for image, pair in images.items():
            if len(pair) != 2:
                raise PredictionsError(
                    f"mme: {category}: {len(pair)} questions on {image}, must be 2"
                )
