"""MMBench and MMBench-CN as LLaVA's scripts have them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from llava_eval.errors import DataError
from llava_eval.paths import kind_of
from llava_eval.rows import Row, read_rows

ENGLISH = "mmbench_dev_20230712.tsv"
CHINESE = "mmbench_dev_cn_20231003.tsv"


def read_mmbench(folder: Path) -> Iterator[Row]:
    """Read the English table: one row per rotation, images in base64.

    Args:
        folder: Holds `mmbench_dev_20230712.tsv`.

    Returns:
        Rows with index, question, hint, A to D, answer, category, image, l2-category and split.

    Raises:
        DataError: The table is broken.

    Source: haotian-liu/LLaVA, `docs/Evaluation.md` and `llava/eval/model_vqa_mmbench.py`, which
    read it with pandas: "NA", "N/A", "null" and "None" in a cell are missing there, and here.
    """
    return read_rows(folder / ENGLISH, "image")


def read_mmbench_cn(folder: Path) -> Iterator[Row]:
    """Read the Chinese table from the place that LLaVA's script or its documentation names.

    Args:
        folder: `playground/data/eval`, with the table in `mmbench_cn/` or `mmbench/`, or the
            table's own folder.

    Returns:
        As `read_mmbench`.

    Raises:
        DataError: The table is broken.
    """
    places = (folder / "mmbench_cn" / CHINESE, folder / "mmbench" / CHINESE, folder / CHINESE)
    return read_rows(next(place for place in places if kind_of(place, DataError)), "image")
