"""LLaVA's own evaluation folder, read into rows of the Hub's schema.

Each reader takes the folder of one benchmark below `playground/data/eval` and returns rows with
the columns of that benchmark's Hub data set, so that one column map serves both. Images are
named, not read: scoring needs none. `OFFICIAL` is the whole registry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from llava_eval.official.gqa import read_gqa
from llava_eval.official.llava_bench import read_llava_bench
from llava_eval.official.mmbench import read_mmbench, read_mmbench_cn
from llava_eval.official.mme import read_mme
from llava_eval.official.mmvet import read_mmvet
from llava_eval.official.pope import read_pope
from llava_eval.official.scienceqa import read_scienceqa
from llava_eval.official.seedbench import read_seedbench
from llava_eval.official.textvqa import read_textvqa
from llava_eval.official.vizwiz import read_vizwiz, read_vizwiz_test
from llava_eval.official.vqav2 import read_vqav2, read_vqav2_test_dev
from llava_eval.rows import Row

OFFICIAL: dict[str, Callable[[Path], Iterable[Row]]] = {
    "mmbench": read_mmbench,
    "mmbench_cn": read_mmbench_cn,
    "scienceqa": read_scienceqa,
    "seedbench": read_seedbench,
    "textvqa": read_textvqa,
    "vizwiz": read_vizwiz,
    "vizwiz_test": read_vizwiz_test,
    "vqav2": read_vqav2,
    "vqav2_test_dev": read_vqav2_test_dev,
    "llava_bench": read_llava_bench,
    "mmvet": read_mmvet,
    "gqa": read_gqa,
    "mme": read_mme,
    "pope": read_pope,
}
