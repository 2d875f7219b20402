"""The mini splits: small data sets in the exact schema of the real ones.

`python -m llava_eval.demo.mini --out tasks/mini` writes every split that is committed there, byte
for byte. All digits and backgrounds come from the held-out half. Categories, types, subjects and
capabilities have the real names although all pictures show digits: what a scorer tells apart
occurs, but its groups say nothing about what they are called after.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from llava_eval.demo.mini.choice import scienceqa, seedbench
from llava_eval.demo.mini.circular import mmbench, mmbench_cn
from llava_eval.demo.mini.free import llava_bench, mmvet
from llava_eval.demo.mini.gqa import gqa
from llava_eval.demo.mini.short import textvqa, vizwiz, vqav2
from llava_eval.demo.mini.yes_no import mme, pope

MINI_SPLITS: dict[str, Callable[[], pa.Table]] = {
    "pope": pope,
    "mme": mme,
    "vqav2": vqav2,
    "gqa": gqa,
    "vizwiz": vizwiz,
    "textvqa": textvqa,
    "scienceqa": scienceqa,
    "mmbench": mmbench,
    "mmbench_cn": mmbench_cn,
    "seedbench": seedbench,
    "llava_bench": llava_bench,
    "mmvet": mmvet,
}
# A reader holds one group of rows at a time. POPE asks about every image in all its categories:
# split up, each group would store all the images again.
GROUP_ROWS = 32
WHOLE = ("pope",)


def write_split(task: str, folder: Path) -> Path:
    """Build one split and write it.

    Args:
        task: Key in `MINI_SPLITS`.
        folder: Where `<task>.parquet` goes.

    Returns:
        The file; the same bytes at every call with the same versions of Pillow and pyarrow.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{task}.parquet"
    # Images repeat from row to row: dictionary encoding stores each of them once in a group.
    pq.write_table(
        MINI_SPLITS[task](),
        path,
        compression="zstd",
        use_dictionary=True,
        row_group_size=None if task in WHOLE else GROUP_ROWS,
    )
    return path
