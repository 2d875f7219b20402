"""MM-Vet's result file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from llava_eval.errors import PredictionsError, brief
from llava_eval.files import write_text
from llava_eval.records import DataSet, Prediction
from llava_eval.scorers.rubric import numeric_order


def write_mmvet(data: DataSet, predictions: Mapping[str, Prediction], folder: Path) -> list[Path]:
    """Write {"v1_0": answer, ...}, which MM-Vet's evaluator reads.

    Args:
        data: All rows.
        predictions: By sample id.
        folder: Where `mmvet.json` is written.

    Raises:
        PredictionsError: A row has no answer; the evaluator stops at the first such row.

    Source: haotian-liu/LLaVA, `scripts/convert_mmvet_for_eval.py`: the same file, to the byte.
    """
    ids = sorted((sample.id for sample in data.samples), key=numeric_order)
    missing = [i for i in ids if i not in predictions or predictions[i].failed]
    if missing:
        raise PredictionsError(
            f"{len(missing):,} of {len(ids):,} rows have no answer, {brief(missing[0])} first; "
            "MM-Vet's evaluator takes complete results only: finish the run"
        )
    path = folder / "mmvet.json"
    write_text(path, json.dumps({i: predictions[i].text for i in ids}, indent=2))
    return [path]
