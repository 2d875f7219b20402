"""MM-Vet as LLaVA's scripts have it."""

from __future__ import annotations

from pathlib import Path

from llava_eval.errors import DataError, brief
from llava_eval.json_text import parse_json
from llava_eval.rows import Row, file_image, read_jsonl, read_text


def read_mmvet(folder: Path) -> list[Row]:
    """Read LLaVA's question file and MM-Vet's own table of answers and capabilities.

    Args:
        folder: Holds `llava-mm-vet.jsonl`, and of MM-Vet's release `mm-vet.json` and `images/`.

    Returns:
        Rows with question_id ("v1_0"), question, answer, capability (joined by commas), image,
        image_source and image_id, in the order of the question file.

    Raises:
        DataError: A file is missing or broken, or the two do not belong together.

    Source: haotian-liu/LLaVA, `playground/data/eval/mm-vet/llava-mm-vet.jsonl` and
    `scripts/convert_mmvet_for_eval.py`; yuweihao/MM-Vet, `mm-vet_evaluator.py`.
    """
    questions = read_jsonl(folder / "llava-mm-vet.jsonl")
    table = _table(folder / "mm-vet.json")
    rows = [_row(folder, question, table) for question in questions]
    for name in table.keys() - {row["question_id"] for row in rows}:
        raise DataError(
            f"{table[name].where}: {name} is not asked in llava-mm-vet.jsonl "
            f"({len(questions):,} lines); is it complete?"
        )
    return rows


def _table(path: Path) -> dict[str, Row]:
    content = parse_json(read_text(path), str(path))
    if not isinstance(content, dict):
        raise DataError(f"{path}: must be an object keyed by v1_0, v1_1, ...")
    for name, value in content.items():
        if not isinstance(value, dict):
            raise DataError(f"{path}: {name}: {brief(value)} must be an object like {{...}}")
    # The file is one object: a row's place in it stands for its line.
    return {
        name: Row(value, str(path), place) for place, (name, value) in enumerate(content.items(), 1)
    }


def _row(folder: Path, question: Row, table: dict[str, Row]) -> Row:
    name = f"v1_{question.require('question_id', int)}"
    if name not in table:
        raise DataError(f"{question.where}: {name} is not in mm-vet.json; is it complete?")
    entry = table[name]
    image, text = question.require("image", str), question.require("text", str)
    # Stripped: what is asked is LLaVA's text, to the last space.
    if (entry.require("imagename", str), entry.require("question", str).strip()) != (
        image,
        text.strip(),
    ):
        raise DataError(
            f"{question.where}: {brief(text)} on {image}, but mm-vet.json has {name} as "
            f"{brief(entry['question'])} on {entry['imagename']}; take both from the same release"
        )
    content = {
        "question_id": name,
        "question": text,
        "answer": entry.require("answer", str),
        "capability": ",".join(_capabilities(entry)),
        "image": file_image(folder / "images", image),
        "image_source": entry.get("imagesource"),
        "image_id": Path(image).stem,
    }
    return Row(content, question.source, question.number)


def _capabilities(entry: Row) -> list[str]:
    names: list[str] = entry.require("capability", list)
    if not all(isinstance(name, str) for name in names):
        raise DataError(f"{entry.where}: capability is {brief(names)}, must be a list of texts")
    return names
