"""The benchmarks in full size: how many questions about how many pictures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FullSize:
    """One benchmark of the LLaVA-1.5 table.

    Attributes:
        name: As the table calls it.
        questions: Number of rows.
        images: Number of distinct pictures; rows without one count as pictures of their own.
        shape: Key of `workloads.WORKLOADS` that is most like it.
        local: Whether it is scored without a server and without a judge.
        source: Where the numbers stand.
    """

    name: str
    questions: int
    images: int
    shape: str
    local: bool
    source: str


LLAVA_FILES = "question files of LLaVA's eval.zip (haotian-liu/LLaVA, docs/Evaluation.md)"

FULL_SIZES = (
    FullSize(
        "VQAv2 test-dev",
        107_394,
        19_500,  # 81,434 pictures of the test set, in proportion to its 447,793 questions
        "vqav2",
        False,
        f"{LLAVA_FILES}; pictures estimated from visualqa.org/download.html",
    ),
    FullSize(
        "GQA testdev",
        12_578,
        398,
        "gqa",
        True,
        "testdev_balanced (Hudson and Manning, CVPR 2019); lmms-lab/GQA",
    ),
    FullSize("VizWiz test", 8_000, 8_000, "single", False, "vizwiz.org/tasks-and-datasets/vqa"),
    FullSize(
        "ScienceQA test",
        4_241,
        4_241,  # 2,017 with a picture, the others are shorter than what is counted here
        "single",
        True,
        "lupantech/ScienceQA, data/scienceqa/problems.json",
    ),
    FullSize("TextVQA val", 5_000, 3_166, "mme", True, "textvqa.org/dataset"),
    FullSize("POPE", 8_910, 500, "pope", True, f"{LLAVA_FILES}; RUCAIBox/POPE"),
    FullSize("MME", 2_374, 1_187, "mme", True, "Fu et al., arXiv 2306.13394"),
    FullSize("MMBench dev", 4_377, 1_176, "vqav2", True, "mmbench_dev_20230712.tsv (OpenCompass)"),
    FullSize("MMBench-CN dev", 4_329, 1_164, "vqav2", True, "mmbench_dev_cn_20231003.tsv"),
    FullSize(
        "SEED-Bench",
        19_242,
        19_242,  # every question as one with a picture of its own, which is the dearest case
        "single",
        True,
        "Li et al., arXiv 2307.16125: 14,233 about pictures, 5,009 about videos",
    ),
    FullSize("LLaVA-W", 60, 24, "long", False, "liuhaotian/llava-bench-in-the-wild"),
    FullSize("MM-Vet", 218, 200, "long", False, "Yu et al., arXiv 2308.02490"),
)
