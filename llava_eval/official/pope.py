"""POPE as LLaVA's scripts have it."""

from __future__ import annotations

from pathlib import Path

from llava_eval.errors import DataError, brief
from llava_eval.official.texts import SHORT_ANSWER
from llava_eval.paths import files_in
from llava_eval.rows import Row, file_image, read_jsonl


def read_pope(folder: Path) -> list[Row]:
    """Read POPE's question file and its three label files.

    Labels are joined by category, image and question. LLaVA's script joins them by line
    position, which goes wrong without a word when the label files are of another version.

    Args:
        folder: Holds `llava_pope_test.jsonl`, `coco/coco_pope_<category>.json`, `val2014/`.

    Returns:
        Rows with id, question, answer, image, image_source and category, in file order.

    Raises:
        DataError: A file is missing or broken, or labels and questions do not belong together.

    Source: haotian-liu/LLaVA, `docs/Evaluation.md` and `llava/eval/eval_pope.py`.
    """
    questions = read_jsonl(folder / "llava_pope_test.jsonl")
    _check_categories(folder, questions)
    labels = {
        category: _pope_labels(folder, category, questions)
        for category in sorted({row.require("category", str) for row in questions})
    }
    return [_pope_row(folder, row, labels[row["category"]]) for row in questions]


PopeLabels = dict[tuple[str, str], str]
POPE_VERSION = (
    "LLaVA's question file goes with the label files of August 2023 "
    "(random: 2,910 lines), RUCAIBox/POPE at e3e39262"
)


def _check_categories(folder: Path, questions: list[Row]) -> None:
    asked = {row.require("category", str) for row in questions}
    for path in files_in(folder / "coco", "coco_pope_*.json", DataError):
        if path.stem.removeprefix("coco_pope_") not in asked:
            raise DataError(
                f"{path}: no question of its category in llava_pope_test.jsonl; is it complete?"
            )


def _pope_labels(folder: Path, category: str, questions: list[Row]) -> PopeLabels:
    path = folder / "coco" / f"coco_pope_{category}.json"
    rows = read_jsonl(path)
    asked = sum(row["category"] == category for row in questions)
    if asked != len(rows):
        raise DataError(
            f"{path}: {len(rows):,} labels for {asked:,} {category} questions; {POPE_VERSION}"
        )
    labels: PopeLabels = {}
    for row in rows:
        key = (row.require("image", str), row.require("text", str))
        if labels.setdefault(key, row.require("label", str)) != row["label"]:
            raise DataError(f"{row.where}: {brief(key[1])} on {key[0]} is labelled both yes and no")
    return labels


def _pope_row(folder: Path, row: Row, labels: PopeLabels) -> Row:
    question = row.require("text", str).removesuffix(SHORT_ANSWER)
    image = row.require("image", str)
    if (image, question) not in labels:
        raise DataError(
            f"{row.where}: no {row['category']} label for {brief(question)} on "
            f"{image}; {POPE_VERSION}"
        )
    content = {
        "id": str(row.require("question_id", int)),
        "question": question,
        "answer": labels[image, question],
        "image": file_image(folder / "val2014", image),
        "image_source": Path(image).stem,
        "category": row["category"],
    }
    return Row(content, row.source, row.number)
