"""GQA's file of predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from llava_eval.answers.exact import gqa_answer
from llava_eval.errors import PredictionsError, brief
from llava_eval.files import write_text
from llava_eval.records import DataSet, Prediction


def write_gqa(data: DataSet, predictions: Mapping[str, Prediction], folder: Path) -> list[Path]:
    """Write `testdev_balanced_predictions.json`, converted answers by question id.

    Args:
        data: In whose order the answers are written.
        predictions: By sample id.
        folder: Where the file goes.

    Raises:
        PredictionsError: A question has no answer: GQA's `eval.py` would abort.

    Source: haotian-liu/LLaVA, `scripts/convert_gqa_for_eval.py`.
    """
    rows = []
    for sample in data.samples:
        prediction = predictions.get(sample.id)
        if prediction is None or prediction.failed:
            raise PredictionsError(
                f"gqa: question {brief(sample.id)} has no answer, and GQA's eval.py takes only "
                "complete sets; finish the run first"
            )
        rows.append({"questionId": sample.id, "prediction": gqa_answer(prediction.text)})
    path = folder / "testdev_balanced_predictions.json"
    write_text(path, json.dumps(rows))
    return [path]
