"""LLaVA's own folders: a file missing, cut short, of another version, or with a slip in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bad_input.case import Case, lines, score

SHORT = "\nAnswer the question using a single word or phrase."
MME = "MME_Benchmark_release_version/existence"


def _json(content: Any) -> str:
    return json.dumps(content)


# Of each benchmark one question, as its folder has it.
FOLDERS = {
    "pope": {
        "llava_pope_test.jsonl": lines(
            [{"question_id": 1, "image": "a.jpg", "text": f"Red?{SHORT}", "category": "random"}]
        ),
        "coco/coco_pope_random.json": lines([{"image": "a.jpg", "text": "Red?", "label": "yes"}]),
    },
    "mme": {
        "llava_mme.jsonl": lines(
            [
                {
                    "question_id": "existence/a.jpg",
                    "image": "existence/a.jpg",
                    "text": f"Is it red?{SHORT}",
                    "category": "existence",
                }
            ]
        ),
        f"{MME}/a.txt": "Is it red?  Please answer yes or no.\tYes\n",
    },
    "gqa": {
        "llava_gqa_testdev_balanced.jsonl": lines(
            [{"question_id": "7", "image": "a.jpg", "text": f"Red?{SHORT}"}]
        ),
        "data/testdev_balanced_questions.json": _json(
            {
                "7": {
                    "imageId": "a",
                    "answer": "yes",
                    "isBalanced": True,
                    "groups": {"global": None},
                    "types": {"structural": "verify", "semantic": "attr", "detailed": "v"},
                }
            }
        ),
    },
    "scienceqa": {
        "llava_test_CQM-A.json": _json(
            [
                {
                    "id": "7",
                    "conversations": [
                        {"from": "human", "value": "Which?\nA. cat\nB. dog"},
                        {"from": "gpt", "value": "B"},
                    ],
                }
            ]
        ),
        "pid_splits.json": _json({"test": ["7"]}),
        "problems.json": _json({"7": {"subject": "natural science", "grade": "grade4"}}),
    },
    "seedbench": {
        "SEED-Bench.json": _json(
            {
                "questions": [
                    {
                        "question_id": "7",
                        "question": "Which?",
                        "data_id": "a.jpg",
                        "data_type": "image",
                        "question_type_id": 1,
                        "answer": "A",
                        **{f"choice_{letter}": letter for letter in "abcd"},
                    }
                ]
            }
        ),
        "llava-seed-bench.jsonl": lines([{"question_id": "7"}]),
    },
    "textvqa": {
        "llava_textvqa_val_v051_ocr.jsonl": lines(
            [{"question_id": "a", "image": "a.jpg", "text": f"Red?\nReference OCR token: x{SHORT}"}]
        ),
        "TextVQA_0.5.1_val.json": _json(
            {
                "data": [
                    {"question_id": 7, "question": "red?", "image_id": "a", "answers": ["x"] * 10}
                ]
            }
        ),
    },
    "vizwiz": {
        "val.json": _json(
            [
                {
                    "image": "a.jpg",
                    "question": "Red?",
                    "answers": [{"answer": "yes", "answer_confidence": "yes"}],
                    "answer_type": "yes/no",
                }
            ]
        ),
    },
    "vqav2": {
        "v2_OpenEnded_mscoco_val2014_questions.json": _json(
            {"questions": [{"question_id": 7, "image_id": 1, "question": "Red?"}]}
        ),
        "v2_mscoco_val2014_annotations.json": _json(
            {
                "annotations": [
                    {
                        "question_id": 7,
                        "image_id": 1,
                        "question_type": "is it",
                        "answer_type": "yes/no",
                        "answers": [{"answer": "yes", "answer_confidence": "yes"}] * 10,
                    }
                ]
            }
        ),
    },
    "llava_bench": {
        "questions.jsonl": lines(
            [{"question_id": 7, "image": "a.jpg", "text": "Red?", "category": "conv"}]
        ),
        "context.jsonl": lines([{"id": "a", "image": "a.jpg", "caption": "A red car."}]),
        "answers_gpt4.jsonl": lines([{"question_id": 7, "prompt": "Red?", "text": "Yes."}]),
    },
    "mmvet": {
        "llava-mm-vet.jsonl": lines([{"question_id": 7, "image": "a.jpg", "text": "Red?"}]),
        "mm-vet.json": _json(
            {
                "v1_7": {
                    "imagename": "a.jpg",
                    "question": "Red?",
                    "answer": "yes",
                    "capability": ["rec"],
                }
            }
        ),
    },
    "mmbench": {"mmbench_dev_20230712.tsv": "index\tquestion\thint\tA\tB\n1\tRed?\t\tyes\tno\n"},
}
PLACES = {"mme": "MME", "seedbench": "seed_bench", "mmvet": "mm-vet"} | {
    "llava_bench": "llava-bench-in-the-wild"
}


def write_folder(folder: Path, task: str) -> Path:
    """Write the folder of a benchmark as `playground/data/eval` has it."""
    place = folder / "eval" / PLACES.get(task, task)
    for name, content in FOLDERS[task].items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(content, encoding="utf-8")
    return place


def _changed(task: str, name: str, change: Callable[[str], str] | None) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = write_folder(folder, task) / name
        if change is None:
            path.unlink()
        else:
            path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")

    return spoil


def _case(task: str, name: str, told: str, change: Callable[[str], str] | None, what: str) -> Case:
    spoil = _changed(task, name, change)
    return Case(f"{task}: {name} {told}", score(task, "eval"), spoil, Path(name).stem, what)


def _slip(task: str, name: str, old: str, new: str, what: str, where: str = "") -> Case:
    assert old in FOLDERS[task][name]
    case = f"{task}: {name} with {new[:40]!r} for {old!r}"
    spoil = _changed(task, name, lambda text: text.replace(old, new))
    return Case(case, score(task, "eval"), spoil, where or name, what)


# The first file is what a folder is recognised by: without it the folder is another.
OTHERS = [(task, name) for task, files in FOLDERS.items() for name in list(files)[1:]]
DOCUMENTS = [(t, n) for t, files in FOLDERS.items() for n in files if n.endswith(".json")]
LABELS, QUESTIONS = "coco/coco_pope_random.json", "llava_pope_test.jsonl"
RECORDS, PROBLEMS = "data/testdev_balanced_questions.json", "llava_test_CQM-A.json"
NOTED = "v2_mscoco_val2014_annotations.json"

CASES = [
    *(
        _case(task, name, "missing", None, "cannot be read: No such file")
        for task, name in OTHERS
        if name != "problems.json"  # which may be missing
    ),
    *(
        _case(task, name, "cut short", lambda text: text[: len(text) // 2], "is the file complete?")
        for task, name in DOCUMENTS
    ),
    *(
        _case(task, name, "of 100,000 brackets", lambda _: "[" * 100_000, "not readable JSON")
        for task, name in DOCUMENTS
    ),
    *(_case(task, name, "that is a number", lambda _: "7", "must be ") for task, name in DOCUMENTS),
    _slip("pope", LABELS, "Red?", "Green?", "label for 'Red?' on a.jpg", QUESTIONS),
    _slip("pope", LABELS, "yes", "maybe", "the reference is 'maybe'", QUESTIONS),
    _slip("pope", LABELS, "}\n", '}\n{"image": "b.jpg"}\n', "2 labels for 1 random questions"),
    _slip("pope", QUESTIONS, '"random"', '"../random"', "no question of its category", LABELS),
    _slip("pope", QUESTIONS, '"random"', "3", "category is 3, must be str"),
    _slip("mme", "llava_mme.jsonl", '"existence"', '"../.."', "must be a folder's name"),
    _slip("mme", "llava_mme.jsonl", '"existence"', '"a\\u0000b"', "null byte", "release_version"),
    _slip("mme", "llava_mme.jsonl", "Is it red", "Is it blue", "is not asked in MME's files"),
    _slip("mme", f"{MME}/a.txt", "\tYes", "\tMaybe", "must be a question, a tab and Yes or No"),
    _slip("mme", f"{MME}/a.txt", "\t", "  ", "must be a question, a tab and Yes or No"),
    _slip("gqa", RECORDS, '"7"', '"8"', "question '7' has no record", "balanced.jsonl:1"),
    _slip("gqa", RECORDS, '{"7"', '{"6": {}, "7"', "2 records for 1 questions"),
    _slip("gqa", RECORDS, "true", "false", "not a balanced question", "balanced.jsonl:1"),
    _slip("scienceqa", PROBLEMS, '"B"', '"C"', "the answer is 'C', must be the letter of one"),
    _slip("scienceqa", PROBLEMS, '"value"', '"text"', "must be a question and its letter"),
    _slip("scienceqa", PROBLEMS, '"conversations": [', '"conversations": [{}, ', "must be a quest"),
    _slip("scienceqa", "pid_splits.json", '"7"', '"7", "8"', "1 of 2 test problems, '8' first"),
    _slip("scienceqa", "pid_splits.json", '"7"', "[7]", "must be a list of problem ids"),
    _slip("scienceqa", "pid_splits.json", '["7"]', "7", "test is 7, must be a list"),
    _slip("scienceqa", "problems.json", '{"7": {', '{"7": 7, "8": {', "7 must be an object"),
    _slip("seedbench", "SEED-Bench.json", '"questions"', '"rows"', "must be an object with a list"),
    _slip("seedbench", "SEED-Bench.json", '[{"q', '[7, {"q', "7 must be an object", "Bench.json:0"),
    _slip("seedbench", "llava-seed-bench.jsonl", '"7"', '"8"', "has no line for 1 of 1 questions"),
    _slip(
        "textvqa",
        "TextVQA_0.5.1_val.json",
        "red?",
        "green?",
        "no annotation for 'Red?'",
        "ocr.jsonl:1",
    ),
    _slip(
        "textvqa", "llava_textvqa_val_v051_ocr.jsonl", "OCR token", "token", "no line 'Reference"
    ),
    _slip("vizwiz", "val.json", '"Red?"', "null", "question is None, must be str", "val.json:0"),
    _slip(
        "vqav2",
        NOTED,
        '"question_id": 7',
        '"question_id": 8',
        "question 7 has no record",
        "questions.json:0",
    ),
    _slip("vqav2", NOTED, '"is it"', '"number"', "name of an answer type", "questions.json:0"),
    _slip("llava_bench", "answers_gpt4.jsonl", "7", "8", "question_id '8' is none of the 1"),
    _slip("llava_bench", "answers_gpt4.jsonl", "Red?", "Blue?", "but the question is 'Red?'"),
    _slip(
        "llava_bench",
        "context.jsonl",
        "a.jpg",
        "b.jpg",
        "'a.jpg' is not in context.jsonl",
        "questions.jsonl:1",
    ),
    _slip(
        "llava_bench",
        "context.jsonl",
        '"A red car."',
        "[null]",
        "must be a text or texts",
        "questions.jsonl:1",
    ),
    _slip("mmvet", "mm-vet.json", "v1_7", "v1_8", "v1_7 is not in mm-vet.json", "mm-vet.jsonl:1"),
    _slip("mmvet", "mm-vet.json", "Red?", "Blue?", "mm-vet.json has v1_7 as", "mm-vet.jsonl:1"),
    _slip("mmvet", "mm-vet.json", '["rec"]', '"rec"', "capability is 'rec', must be list"),
    _slip("mmvet", "mm-vet.json", '["rec"]', "[1]", "must be a list of texts"),
]
