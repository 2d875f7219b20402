"""In whose words a judge is asked: the original's from the user's copy, or our own."""

import dataclasses
import hashlib
import json
import string

import pytest

from llava_eval.errors import DataError
from llava_eval.judges.wording import choose_wording
from llava_eval.task import load_task

LLAVA_BENCH, MMVET, MMBENCH = (load_task(name) for name in ("llava_bench", "mmvet", "mmbench"))
RULE = "Rate both, from 1 to 10.\nFirst the two numbers."
PROMPT = "Grade it.\n\nQuestion | Truth | Prediction | Grade\nx? | 1 | 2 | 0.0\n"


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def rules(**changes):
    names = ("llava_bench_conv", "llava_bench_detail", "llava_bench_complex", "coding")
    return {name: {"role": "Assistant", "prompt": RULE} for name in names} | changes


def judging(task, text):
    """The card's settings, as if the original's text were this one."""
    return dataclasses.replace(task.judge, original=sha256(text))


def test_the_users_copy_of_the_originals_rule_gives_the_dialect_llava(tmp_path):
    path = tmp_path / "rule.json"
    path.write_text(json.dumps(rules()))
    wording = choose_wording(LLAVA_BENCH, judging(LLAVA_BENCH, RULE), [path])
    assert (wording.dialect, wording.source) == ("llava", str(path))
    assert wording.texts == {"conv": RULE, "detail": RULE, "complex": RULE}


@pytest.mark.parametrize("category", ["conv", "detail", "complex"])
def test_one_rule_of_another_digest_is_another_dialect(tmp_path, category):
    path = tmp_path / "rule.json"
    other = {f"llava_bench_{category}": {"role": "Assistant", "prompt": f"{RULE} "}}
    path.write_text(json.dumps(rules(**other)))
    wording = choose_wording(LLAVA_BENCH, judging(LLAVA_BENCH, RULE), [path])
    assert wording.dialect.startswith("other wording ")


def evaluator(prompt):
    return f'import json\n\nprompt = """{prompt}"""\n\n\ndef main(prompt=prompt):\n    pass\n'


def notebook(prompt):
    cells = [
        {"cell_type": "markdown", "source": ["# prompt = 1"]},
        {"cell_type": "code", "source": ["%pip install x\n", "!ls"]},
        {"cell_type": "code", "source": evaluator(prompt).splitlines(keepends=True)},
    ]
    return json.dumps({"cells": cells})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mm-vet_evaluator.py", evaluator(PROMPT)),
        ("mm-vet_evaluator.ipynb", notebook(PROMPT)),
        ("prompt.txt", PROMPT),
        ("prompt.txt", PROMPT.rstrip()),  # editors differ on the last newline
        ("prompt.txt", f"\ufeff{PROMPT}\n\n"),
    ],
)
def test_mmvets_prompt_is_read_out_of_its_evaluator_or_a_text_file(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    wording = choose_wording(MMVET, judging(MMVET, PROMPT), [tmp_path / name])
    assert (wording.texts, wording.dialect) == ({"": PROMPT}, "llava")


def test_a_prompt_of_another_digest_is_another_dialect(tmp_path):
    (tmp_path / "prompt.txt").write_text(PROMPT.replace("0.0", "0.1"))
    wording = choose_wording(MMVET, judging(MMVET, PROMPT), [tmp_path / "prompt.txt"])
    assert wording.dialect.startswith("other wording ")
    assert wording.dialect != choose_wording(MMVET, MMVET.judge).dialect


def test_each_task_takes_its_own_file_of_those_given(tmp_path):
    paths = [tmp_path / "rule.json", tmp_path / "prompt.txt"]
    paths[0].write_text(json.dumps(rules()))
    paths[1].write_text(PROMPT)
    found = [choose_wording(t, t.judge, paths) for t in (LLAVA_BENCH, MMVET, MMBENCH)]
    assert [wording.source for wording in found] == [str(paths[0]), str(paths[1]), "our own"]


def test_without_the_users_copy_our_own_words_are_used_and_named():
    names = [choose_wording(t, t.judge).dialect for t in (LLAVA_BENCH, MMVET, MMBENCH)]
    assert [name.rsplit(" ", 1)[0] for name in names] == ["own wording", "own wording", "matching"]
    assert all(set(name.rsplit(" ", 1)[1]) <= set(string.hexdigits) for name in names)


@pytest.mark.parametrize("change", [{"wording": "x"}, {"temperature": 0.7}, {"max_tokens": 9}])
def test_whatever_can_move_a_reply_moves_the_dialects_name(change):
    changed = dataclasses.replace(MMVET.judge, **change)
    assert choose_wording(MMVET, changed).dialect != choose_wording(MMVET, MMVET.judge).dialect


@pytest.mark.parametrize(
    ("task", "name", "content", "message"),
    [
        (LLAVA_BENCH, "rule.json", "{", "not valid JSON"),
        (LLAVA_BENCH, "rule.json", "[]", "no llava_bench_complex with a prompt"),
        (LLAVA_BENCH, "rule.json", '{"coding": {}}', "give LLaVA's rule.json"),
        (
            LLAVA_BENCH,
            "rule.json",
            json.dumps(rules(llava_bench_conv={"role": "Model", "prompt": RULE})),
            "role is 'Model', must be 'Assistant'",
        ),
        (MMVET, "x.py", "prompt = 'a' +", "cannot be read as Python"),
        (MMVET, "x.py", "text = 'a'", "0 texts are called prompt"),
        (MMVET, "x.py", "prompt = 'a'\nprompt = 'b'", "2 texts are called prompt"),
        (MMVET, "x.ipynb", "{}", "cannot be read as Python"),
        (MMVET, "x.ipynb", "not json", "cannot be read as Python"),
    ],
)
def test_a_file_that_holds_no_words_is_one_clear_line(tmp_path, task, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        choose_wording(task, task.judge, [tmp_path / name])


def test_a_missing_file_and_two_for_one_task_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"no-rule\.json: cannot be read"):
        choose_wording(LLAVA_BENCH, LLAVA_BENCH.judge, [tmp_path / "no-rule.json"])
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(PROMPT)
    with pytest.raises(DataError, match="both hold the words for mmvet; give one"):
        choose_wording(MMVET, MMVET.judge, [tmp_path / "a.txt", tmp_path / "b.txt"])


def test_settings_of_the_protocol_stand_on_the_cards():
    asked = [(t.judge.temperature, t.judge.max_tokens) for t in (LLAVA_BENCH, MMVET)]
    assert asked == [(0.2, 1024), (0.0, 3)]
    assert (MMVET.judge.system, MMVET.judge.temperature_step) == ("", 0.5)
    # Lengths of the originals' digests; what they are of is the user's.
    assert [len(t.judge.original) for t in (LLAVA_BENCH, MMVET)] == [64, 64]
