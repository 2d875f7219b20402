"""What stands in the table, what is marked, and which rows tie."""

import csv
import dataclasses
import io
import json

import pytest

from llava_eval.cli import main
from llava_eval.errors import UsageError
from llava_eval.leaderboard import Choice, build_leaderboard
from llava_eval.records import Estimate
from llava_eval.store import RUN, find_runs
from llava_eval.task import load_task
from tests.boards import replayed, result_of, write_run

POPE_VERSION = load_task("pope").versions[9000]


def without_line(task, part):
    prompt = load_task(task).protocol_fields["prompt"]
    return prompt | {"lines": [line for line in prompt["lines"] if part not in line]}


def board_of(*roots, **choice):
    return build_leaderboard(find_runs(roots), Choice(**choice))


def cell(board, name, task):
    return next(line.cells[task] for line in board.lines if line.name in (name, f"{name} (mini)"))


def marks(board, task):
    return {line.name: line.cells[task].mark for line in board.lines if not line.source}


MIXTURES = [
    ("textvqa", {"prompt": without_line("textvqa", "OCR")}, "textvqa: no OCR line"),
    ("textvqa", {"prompt": without_line("textvqa", "single")}, "no short-answer instruction"),
    ("gqa", {"max_new_tokens": 16}, "gqa: at most 16 new tokens instead of 128"),
    ("pope", {"scorer_version": 9}, "pope: scorer version 9 and"),
    ("pope", {"primary": "accuracy"}, "primary accuracy instead of f1"),
    ("pope", {"protocol": "0" * 16}, "pope: protocol 0000000000000000 instead of"),
    ("pope", {"dialect": "lmms-eval"}, "pope: dialect lmms-eval instead of llava"),
    (
        "mmvet",
        {"judge": "gpt-4-0613 (2026-11-23)"},
        "mmvet: judge gpt-4-0613 (2026-11-23) instead of gpt-4-0613",
    ),
    ("mmbench", {"judge": "gpt-4o"}, "mmbench: judge gpt-4o instead of none"),
    ("mmvet", {"judge": ""}, "mmvet: judge none instead of gpt-4-0613"),
    ("pope", {"version": POPE_VERSION, "n": 9000}, "pope: 3,000-line random file"),
    ("pope", {"version": "unknown", "known": False, "n": 77}, "pope: 77 rows of no known version"),
    ("pope", {"version": "mini", "source": "mini", "n": 324}, "pope: mini split"),
    ("vqav2", {"version": "val2014", "n": 214354}, "vqav2: val2014"),
    ("pope", {"failed": 3}, "pope: incomplete: 3 of 8,910 failed"),
    ("pope", {"missing": 4000}, "pope: incomplete: 4,000 of 8,910 missing"),
    ("mmvet", {"ungraded": 218}, "mmvet: incomplete: 218 of 218 not graded"),
    ("pope", {"drawn": True, "n": 500}, "pope: a draw of 500 samples"),
]


@pytest.mark.parametrize(("task", "changes", "words"), MIXTURES)
def test_a_number_that_is_not_its_columns_carries_a_dagger_that_says_why(
    tmp_path, task, changes, words
):
    write_run(tmp_path / "other" / task, result_of(task, **changes))
    board = board_of(tmp_path)
    [mark] = [line.cells[task].mark for line in board.lines if not line.source]
    assert mark == "†1"
    [note] = [note for note in board.notes if note.startswith("†1 ")]
    assert words in note


@pytest.mark.parametrize(("task", "changes", "words"), MIXTURES)
def test_strict_refuses_with_the_reason_and_exit_code_4(tmp_path, capsys, task, changes, words):
    write_run(tmp_path / "other" / task, result_of(task, **changes))
    assert main(["leaderboard", str(tmp_path), "--strict"]) == 4
    refused = capsys.readouterr()
    assert refused.out == ""
    assert words.split(": ")[-1] in refused.err


def test_the_columns_own_number_has_no_dagger_and_strict_lets_it_pass(tmp_path, capsys):
    for task in ("pope", "textvqa", "mmvet"):
        write_run(tmp_path / "own" / task, result_of(task))
    assert main(["leaderboard", str(tmp_path), "--strict"]) == 0
    assert "†" not in capsys.readouterr().out


def test_strict_looks_at_the_rows_and_columns_that_are_shown(tmp_path):
    write_run(tmp_path / "own" / "pope", result_of("pope"))
    write_run(tmp_path / "own" / "gqa", result_of("gqa", failed=1))
    assert main(["leaderboard", str(tmp_path), "--strict"]) == 4
    assert main(["leaderboard", str(tmp_path), "--strict", "--tasks", "pope"]) == 0


def test_two_data_sets_of_one_name_and_length_are_told_apart(tmp_path):
    write_run(tmp_path / "a" / "pope", result_of("pope"), model="a")
    write_run(tmp_path / "b" / "pope", result_of("pope"), model="b")
    write_run(tmp_path / "c" / "pope", result_of("pope", data="c" * 16), model="c")
    board = board_of(tmp_path)
    assert marks(board, "pope") == {"a": "", "b": "", "c": "†1"}
    assert cell(board, "c", "pope").reasons == (
        "other rows (data cccccccccccccccc instead of feedfeedfeedfeed)",
    )


def test_two_numbers_share_a_mark_only_if_they_share_their_identity(tmp_path):
    draw = {"drawn": True, "n": 500}
    write_run(tmp_path / "a" / "pope", result_of("pope", data="a" * 16, **draw), model="a")
    write_run(tmp_path / "b" / "pope", result_of("pope", data="a" * 16, **draw), model="b")
    write_run(tmp_path / "c" / "pope", result_of("pope", data="c" * 16, **draw), model="c")
    found = marks(board_of(tmp_path), "pope")
    assert found["a"] == found["b"] != ""
    assert found["c"] not in ("", found["a"])


def test_one_difference_in_many_tasks_is_one_note(tmp_path):
    for task in ("pope", "gqa"):
        write_run(tmp_path / "m" / task, result_of(task, version="mini", source="mini", n=9))
    notes = board_of(tmp_path).notes
    assert (
        "†1 gqa, pope: mini split: the demo's own rows, comparable with nothing published" in notes
    )


def named(board):
    return [line.name for line in board.lines if not line.source]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"dtype": "bfloat16"}, ["a-model (float16)", "a-model (bfloat16)"]),
        ({"attention": "eager"}, ["a-model (attention sdpa)", "a-model (attention eager)"]),
        ({"engine": "server"}, ["a-model (engine hf)", "a-model (engine server)"]),
        (
            {"pad_to_square": False, "dtype": "bfloat16"},
            ["a-model (square padding, float16)", "a-model (no square padding, bfloat16)"],
        ),
        (
            {"weights": "f" * 16},
            ["a-model (weights 0123456789abcdef)", "a-model (weights ffffffffffffffff)"],
        ),
        ({"environment": {"torch": "2.9"}}, ["a-model (torch 2.8)", "a-model (torch 2.9)"]),
        ({}, ["a-model ({root}/1)", "a-model ({root}/2)"]),
    ],
)
def test_one_model_twice_is_told_apart_by_what_differs(tmp_path, changes, names):
    write_run(tmp_path / "1" / "pope", result_of("pope"), {"torch": "2.8"})
    environment = {"torch": "2.8"} | changes.get("environment", {})
    model = {key: value for key, value in changes.items() if key != "environment"}
    write_run(tmp_path / "2" / "pope", result_of("pope"), environment, **model)
    assert named(board_of(tmp_path)) == [name.format(root=tmp_path) for name in names]


def test_the_tasks_of_one_model_make_one_row_wherever_they_lie(tmp_path):
    write_run(tmp_path / "1" / "pope", result_of("pope"))
    write_run(tmp_path / "2" / "gqa", result_of("gqa"))
    assert named(board_of(tmp_path)) == ["a-model"]


def test_runs_of_one_task_side_by_side_in_one_folder_are_rows(tmp_path):
    for name in ("first", "second"):
        write_run(tmp_path / name, result_of("pope"))
    assert len(set(named(board_of(tmp_path)))) == 2


# GQA's mini split: the second model errs where the first does, and in eight more places.
FIRST = set(range(0, 90, 3))
SECOND = FIRST | set(range(1, 90, 12))


def test_a_difference_that_only_the_pairs_show_makes_a_rank(tmp_path):
    one = replayed(tmp_path / "one" / "gqa", "gqa", FIRST, "one")
    two = replayed(tmp_path / "two" / "gqa", "gqa", SECOND, "two")
    assert one.headline.low < two.headline.value < one.headline.value < two.headline.high
    board = board_of(tmp_path)
    assert [cell(board, name, "gqa").rank for name in ("one", "two")] == ["1", "2"]
    assert not [note for note in board.notes if "unpaired" in note]


def test_rows_whose_difference_is_within_the_paired_interval_share_a_rank(tmp_path):
    replayed(tmp_path / "one" / "gqa", "gqa", FIRST, "one")
    replayed(tmp_path / "two" / "gqa", "gqa", SECOND, "two")
    replayed(tmp_path / "three" / "gqa", "gqa", (FIRST - {0}) | {100}, "three")
    board = board_of(tmp_path)
    ranks = {name: cell(board, name, "gqa").rank for name in ("one", "two", "three")}
    assert ranks == {"one": "1=", "three": "1=", "two": "3"}


def test_without_the_rows_ties_are_by_the_unpaired_interval_and_a_note_says_so(tmp_path):
    for name, wrong in (("one", FIRST), ("two", SECOND)):
        replayed(tmp_path / name / "gqa", "gqa", wrong, name)
        path = tmp_path / name / "gqa" / RUN
        run = json.loads(path.read_text())
        run["environment"]["source"] = "/gone/rows.parquet"
        path.write_text(json.dumps(run))
    board = board_of(tmp_path)
    assert [cell(board, name, "gqa").rank for name in ("one", "two")] == ["1=", "1="]
    assert [note for note in board.notes if note.startswith("gqa: ranks are from unpaired inter")]


def test_numbers_of_different_identity_are_not_ranked_among_each_other(tmp_path):
    write_run(tmp_path / "a" / "pope", result_of("pope", 90.0), model="a")
    write_run(tmp_path / "b" / "pope", result_of("pope", 80.0, failed=1), model="b")
    board = board_of(tmp_path)
    assert [cell(board, name, "pope").rank for name in "ab"] == ["", ""]


def test_numbers_by_different_judges_are_never_in_one_column(tmp_path, capsys):
    judges = {"a": "gpt-4-0613", "b": "mine (m-1; 2026-11-23)", "c": "mine (m-1; 2026-11-23)"}
    judges |= {"d": "mine (m-2; 2026-11-24)", "e": "an/other"}
    for name, judge in judges.items():
        result = result_of("mmvet", 30.0 + ord(name), judge=judge)
        write_run(tmp_path / name / "mmvet", result, model=name)
    board = board_of(tmp_path, sort="mmvet by mine")
    titles = ["MM-Vet", "MM-Vet (other)", "MM-Vet (mine)"]
    assert [column.title for column in board.columns] == titles
    keys = {line.name: list(line.cells) for line in board.lines if not line.source}
    assert keys == {
        **{name: ["mmvet by mine"] for name in "cbd"},
        "a": ["mmvet"],
        "e": ["mmvet by an/other"],
    }
    assert list(keys) == ["c", "b", "d", "a", "e"]
    cells = {line.name: cell for line in board.lines for cell in line.cells.values()}
    assert [cells[name].rank for name in "abcde"] == ["", "1=", "1=", "", ""]
    assert [bool(cells[name].mark) for name in "abcde"] == [False, False, False, True, False]
    (note,) = [note for note in board.notes if note.startswith("†1 ")]
    assert note == (
        "†1 mmvet by mine: judge mine (m-2; 2026-11-24) instead of mine (m-1; 2026-11-23)"
    )
    assert "mmvet by an/other: judge an/other instead of gpt-4-0613" in board.notes
    assert {line.name for line in board.lines if line.source and "mmvet" in line.cells}
    assert main(["leaderboard", str(tmp_path), "--format", "csv", "--tasks", "mmvet"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {(row["model"], row["task"]) for row in rows if row["source"] == "measured"} == {
        *{("a", "mmvet"), ("b", "mmvet by mine"), ("c", "mmvet by mine")},
        *{("d", "mmvet by mine"), ("e", "mmvet by an/other")},
    }


def test_published_rows_have_no_rank(tmp_path):
    for name in "ab":
        write_run(tmp_path / name / "pope", result_of("pope"), model=name)
    lines = [line for line in board_of(tmp_path).lines if line.source]
    assert {found.rank for line in lines for found in line.cells.values()} == {""}


@pytest.mark.parametrize(
    ("value", "best"),
    [
        (95.0, ["a-model"]),
        (86.0, ["a-model", "LLaVA-1.5-13B-LoRA"]),  # 86.7 is within 86.0 ± 1.0
        (60.0, ["LLaVA-1.5-13B-LoRA"]),
    ],
)
def test_the_best_is_the_highest_and_what_ties_with_it(tmp_path, value, best):
    write_run(tmp_path / "pope", result_of("pope", value))
    assert [
        line.name
        for line in board_of(tmp_path).lines
        if "pope" in line.cells and line.cells["pope"].best
    ] == best


def test_a_number_with_a_dagger_is_never_the_best(tmp_path):
    write_run(tmp_path / "pope", result_of("pope", 99.0, failed=1))
    board = board_of(tmp_path)
    assert not cell(board, "a-model", "pope").best
    assert cell(board, "LLaVA-1.5-13B-LoRA", "pope").best


def test_columns_stand_in_the_papers_order_with_its_headings(tmp_path):
    titles = [column.title for column in board_of(tmp_path).columns]
    assert titles == [
        *("VQAv2", "GQA", "VizWiz", "SQA-I", "TextVQA", "POPE", "MME"),
        *("MMB", "MMB-CN", "SEED", "LLaVA-W", "MM-Vet"),
    ]


def test_an_undefined_number_is_none_and_a_note_says_so(tmp_path):
    write_run(tmp_path / "pope", result_of("pope", None))
    write_run(tmp_path / "mmvet", result_of("mmvet", None, ungraded=218))
    notes = board_of(tmp_path).notes
    assert "pope of a-model: f1 is undefined for its answers" in notes
    assert not [note for note in notes if note.startswith("mmvet of")]  # a mark says: not graded


def test_a_column_has_the_full_scale_of_its_rule_whosever_the_task_is(tmp_path):
    own = dataclasses.replace(result_of("mme"), task="own-points")
    for result in (result_of("mme"), result_of("gqa"), own):
        write_run(tmp_path / result.task, result)
    scales = {column.task: column.full_scale for column in board_of(tmp_path).columns}
    assert scales == {"mme": 2000, "gqa": 100, "own-points": 2000}


def test_only_measured_columns_are_shown_and_chosen_ones_in_the_order_given(tmp_path):
    for task in ("pope", "gqa"):
        write_run(tmp_path / task, result_of(task))
    assert [column.task for column in board_of(tmp_path).columns] == ["gqa", "pope"]
    chosen = board_of(tmp_path, tasks=("mme", "pope"))
    assert [column.task for column in chosen.columns] == ["mme", "pope"]


def test_rows_are_chosen_by_a_part_of_their_name(tmp_path):
    write_run(tmp_path / "pope", result_of("pope"))
    chosen = board_of(tmp_path, models=("A-MODEL", "13b-lora"))
    assert [line.name for line in chosen.lines] == ["a-model", "LLaVA-1.5-13B-LoRA"]


def test_a_published_row_without_a_number_in_the_columns_is_left_out(tmp_path):
    write_run(tmp_path / "pope", result_of("pope"))
    names = [line.name for line in board_of(tmp_path).lines]
    assert "BLIP-2 (Vicuna-13B)" in names
    assert "Shikra-13B" not in names


def test_sorting_puts_marked_numbers_behind_and_rows_without_one_last(tmp_path):
    write_run(tmp_path / "a" / "pope", result_of("pope", 99.0, failed=1), model="a")
    write_run(tmp_path / "b" / "pope", result_of("pope", 86.5), model="b")
    board = board_of(tmp_path, tasks=("pope", "vqav2"), sort="pope")
    names = [line.name for line in board.lines]
    assert names[:2] == ["LLaVA-1.5-13B-LoRA", "b"]
    assert names.index("a") == names.index("LLaVA-7B (v1)") + 1
    assert names[-1] == "Qwen-VL-Chat"


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"tasks": ("poep",)}, "--tasks: 'poep' is not known; did you mean 'pope'"),
        ({"sort": "mme"}, "--sort: 'mme' is no column of this table; known: pope"),
        ({"models": ("llama-1.5-7b",)}, "is in no row's name; did you mean 'llava-1.5-7b'"),
    ],
)
def test_a_choice_that_is_not_there_names_the_nearest(tmp_path, choice, message):
    write_run(tmp_path / "pope", result_of("pope"))
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        board_of(tmp_path, **choice)


def test_counts_stand_beside_the_number_where_they_are_not_zero(tmp_path):
    write_run(tmp_path / "pope", result_of("pope", unparsed=1234, failed=5))
    write_run(tmp_path / "gqa", result_of("gqa"))
    board = board_of(tmp_path)
    assert cell(board, "a-model", "pope").counts == "1,234u 5f"
    assert cell(board, "a-model", "gqa").counts == ""


def test_a_run_that_is_not_finished_is_noted(tmp_path):
    write_run(tmp_path / "pope", result_of("pope"))
    (tmp_path / "pope" / "result.json").unlink()
    board = board_of(tmp_path)
    assert board.notes[0] == f"{tmp_path / 'pope'}: not finished"


def test_a_number_that_nobody_has_yet_is_none_and_neither_best_nor_ranked(tmp_path):
    undefined = {"metrics": {"score": Estimate(None, None, None, 0)}, "ungraded": 218}
    for name in "ab":
        write_run(tmp_path / name / "mmvet", result_of("mmvet", **undefined), model=name)
    found = cell(board_of(tmp_path), "a", "mmvet")
    assert (found.estimate.value, found.rank, found.best) == (None, "", False)


def test_a_task_of_ones_own_has_a_column_and_its_usual_identity_is_the_columns(tmp_path):
    for name, data in (("a", "1" * 16), ("b", "1" * 16), ("c", "2" * 16)):
        result = dataclasses.replace(result_of("pope"), task="street_signs", data=data)
        write_run(tmp_path / name, result, model=name)
    board = board_of(tmp_path)
    assert [column.title for column in board.columns] == ["street_signs"]
    assert marks(board, "street_signs") == {"a": "", "b": "", "c": "†1"}
