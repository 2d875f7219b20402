"""What is fuzzed: each target takes any bytes, and may refuse them only in our own words.

`TARGETS` is the whole registry. A target turns bytes into a file, or into a text, and reads it the
way the program does; `LlavaEvalError` is a refusal, any other exception a finding.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path

from llava_eval import comparison
from llava_eval.answers import exact, letters, ratings, vqa, yes_no
from llava_eval.checkpoint import find_checkpoint
from llava_eval.console import result_table
from llava_eval.errors import DataError, LlavaEvalError
from llava_eval.images import open_image
from llava_eval.leaderboard import FORMATS, build, build_leaderboard, ties
from llava_eval.predictions import load_grades, load_predictions
from llava_eval.records import DataSet, ImageRef, Prediction
from llava_eval.samples import read_samples
from llava_eval.scorers import SCORERS, JudgedScorer
from llava_eval.scoring import score_predictions
from llava_eval.store import find_runs
from llava_eval.task import load_card, task_names
from llava_eval.task import load_task as read_task
from tests.bad_input.case import hub_rows, lines
from tests.bad_input.official import FOLDERS
from tests.boards import replayed
from tests.fuzz.judged import judged, prices, reply, rules
from tests.fuzz.places import chosen, file_of, place

TASKS = task_names()
load_task = cache(read_task)


def remember_cards() -> None:
    """Let a process that does nothing else parse each card once: most of its time goes there."""
    for module in (build, comparison, ties):
        vars(module)["load_task"] = load_task


def _rows(suffix: str) -> Callable[[bytes], None]:
    """Read rows of the task that the first byte names, and score an answer to each."""

    def target(data: bytes) -> None:
        name, content = chosen(data, TASKS)
        _read_and_score(name, str(file_of(f"rows{suffix}", content)))

    return target


def _read_and_score(name: str, source: str) -> None:
    task = load_task(name)
    rows = read_samples(task, source)
    answers = {s.id: Prediction(s.id, "A. yes, 2") for s in rows.samples}
    judged = isinstance(SCORERS[task.scorer], JudgedScorer)
    replies = {s.id: ("0.5", "8 9") for s in rows.samples} if judged else None
    result_table(score_predictions(task, rows, answers, replies)[1])
    for sample in rows.samples[:2]:
        for image in sample.images:
            _pixels(image)


def _pixels(image: ImageRef) -> None:
    with contextlib.suppress(DataError):
        open_image(image)


def parquet(data: bytes) -> None:
    """Read a parquet file of POPE, its pictures too."""
    _read_and_score("pope", str(file_of("rows.parquet", data)))


def saved(data: bytes) -> None:
    """Read a save_to_disk folder of which one file is replaced."""
    folder = _saved_folder()
    names = sorted(path.name for path in (folder / "good").iterdir())
    name, content = chosen(data, names)
    for path in (folder / "good").iterdir():
        file_of(f"saved/{path.name}", content if path.name == name else path.read_bytes())
    _read_and_score("pope", str(place() / "saved"))


@cache
def _saved_folder() -> Path:
    import datasets

    datasets.disable_progress_bars()
    datasets.Dataset.from_list(hub_rows("pope")).save_to_disk(place() / "whole" / "good")
    return place() / "whole"


ASKED = {"question_id": 7, "image": "a.jpg", "text": "Red?"}
OTHERS: list[tuple[str, dict[str, str]]] = [
    ("vizwiz", {"llava_test.jsonl": lines([ASKED])}),
    ("vqav2", {"llava_vqav2_mscoco_test-dev2015.jsonl": lines([ASKED])}),
    (
        "mmbench_cn",
        {"mmbench_dev_cn_20231003.tsv": "index\tquestion\thint\tA\tB\n1\tRed?\t\tyes\tno\n"},
    ),
]
OFFICIAL_FOLDERS = [*FOLDERS.items(), *OTHERS]
FILES = [f"{n}:{name}" for n, (_, files) in enumerate(OFFICIAL_FOLDERS) for name in files]


def official(data: bytes) -> None:
    """Read LLaVA's folder of a benchmark, one file of it replaced."""
    which, content = chosen(data, FILES)
    number, _, name = which.partition(":")
    task, files = OFFICIAL_FOLDERS[int(number)]
    folder = place() / "eval" / number
    for other, text in files.items():
        file_of(f"eval/{number}/{other}", content if other == name else text.encode())
    _read_and_score(task, str(folder))


def card(data: bytes) -> None:
    """Read a card."""
    load_card(file_of("cards/own.yaml", data))


@cache
def _samples(task: str) -> DataSet:
    return read_samples(
        load_task(task), str(file_of(f"{task}.jsonl", lines(hub_rows(task)).encode()))
    )


def predictions(data: bytes) -> None:
    """Read predictions in every form, and score them."""
    name, content = chosen(data, ["pope", "textvqa", "mme", "seedbench", "gqa", "mmvet"])
    suffix, content = chosen(content, [".jsonl", ".json"])
    task, rows = load_task(name), _samples(name)
    found = load_predictions(file_of(f"answers{suffix}", content), task, rows)
    score_predictions(task, rows, found)


def grades(data: bytes) -> None:
    """Read a judge's replies, and score with them."""
    name, content = chosen(data, ["mmvet", "llava_bench"])
    task, rows = load_task(name), _samples(name)
    found = load_grades(file_of("grades.jsonl", content))
    score_predictions(task, rows, {s.id: Prediction(s.id, "") for s in rows.samples}, found)


def answers(data: bytes) -> None:
    """Read an answer by every rule, and score it with every scorer."""
    text = data.decode("utf-8", "surrogateescape")
    read_by_every_rule(text)
    for name in TASKS:
        scorer = SCORERS[load_task(name).scorer]
        sample = dataclasses.replace(_samples(name).samples[0], choices=("yes", text))
        if isinstance(scorer, JudgedScorer):
            reading = scorer.grade(sample, tuple(text.split("\0")))
        else:
            reading = scorer.score(sample, text)
        if reading is not None and reading.value is not None and not 0 <= reading.value <= 1:
            raise AssertionError(f"{name}: {reading}")


def read_by_every_rule(text: str) -> None:
    """Read a text by every answer rule."""
    for rule in (
        exact.gqa_answer,
        letters.scienceqa_letter,
        letters.seed_letter,
        vqa.flat,
        vqa.vqa_answer,
        vqa.m4c_answer,
        vqa.vizwiz_answer,
        yes_no.pope_yes_no,
        yes_no.mme_yes_no,
        ratings.llava_bench_ratings,
        ratings.mmvet_correctness,
    ):
        rule(text)
    for rule in (vqa.flat, vqa.vqa_answer, vqa.m4c_answer, vqa.vizwiz_answer):
        rule.cache_clear()  # they remember every answer: of a model's words there are not so many
    letters.vlmevalkit_letter(text, ["yes", text])
    ratings.mmvet_runs(text.split("\n"))


def image(data: bytes) -> None:
    """Open a picture."""
    open_image(ImageRef("picture", lambda: data))


CHECKPOINT = (
    "config.json",
    "tokenizer_config.json",
    "generation_config.json",
    "model.safetensors.index.json",
)


def checkpoint(data: bytes) -> None:
    """Find a checkpoint of which one file is replaced, before anything is loaded."""
    name, content = chosen(data, list(CHECKPOINT))
    good = b'{"model_type": "llava", "text_config": {}, "vision_config": {}}'
    file_of("model/model.safetensors", b"")
    for other in CHECKPOINT:
        file_of(f"model/{other}", content if other == name else b'{"weight_map": {}}')
    if name != "config.json":
        file_of("model/config.json", good)
    find_checkpoint(str(place() / "model"))


def loading(data: bytes) -> None:
    """Load a whole checkpoint of which one file is replaced; slow."""
    from llava_eval.engines import EngineSettings
    from llava_eval.engines.loading import load
    from tests.bad_input.checkpoints import good_checkpoint

    good = good_checkpoint()
    name, content = chosen(data, sorted(path.name for path in good.iterdir()))
    for path in good.iterdir():
        file_of(f"whole-model/{path.name}", content if path.name == name else path.read_bytes())
    load(EngineSettings(str(place() / "whole-model")))


def run_folder(data: bytes) -> None:
    """Show and compare two runs, one file of the second replaced."""
    good = _runs()
    names = sorted(path.name for path in (good / "b").iterdir() if path.suffix)
    name, content = chosen(data, names)
    for path in (good / "b" / name for name in names):
        file_of(f"runs/b/{path.name}", content if path.name == name else path.read_bytes())
    board = build_leaderboard(find_runs([place() / "runs"]))
    for form in FORMATS.values():
        form(board)
    comparison.compare(good / "a", place() / "runs" / "b", force=True)


@cache
def _runs() -> Path:
    for name, wrong in (("a", set()), ("b", {3})):
        source = str(file_of("pope-rows.jsonl", lines(hub_rows("pope")).encode()))
        replayed(place() / "good" / name, "pope", wrong, name, source)
    return place() / "good"


TARGETS: dict[str, Callable[[bytes], None]] = {
    "jsonl": _rows(".jsonl"),
    "json": _rows(".json"),
    "tsv": _rows(".tsv"),
    "parquet": parquet,
    "saved": saved,
    "official": official,
    "card": card,
    "predictions": predictions,
    "grades": grades,
    "answers": answers,
    "image": image,
    "checkpoint": checkpoint,
    "loading": loading,
    "run_folder": run_folder,
    "reply": reply,
    "prices": prices,
    "rules": rules,
    "judged": judged,
}


def attempt(name: str, data: bytes) -> str | None:
    """Give bytes to a target.

    Returns:
        What the program says where it refuses them; None if it reads them.
    """
    try:
        TARGETS[name](data)
    except LlavaEvalError as error:
        return str(error)
    return None
