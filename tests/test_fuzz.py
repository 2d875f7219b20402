"""What the fuzzer starts from, and what it once found: each is read, or refused in one line."""

import pytest

from llava_eval.rows import READERS
from llava_eval.scorers import SCORERS
from llava_eval.task import load_task, task_names
from tests.fuzz.mutate import one_by_one
from tests.fuzz.seeds import FOUND, SEEDS, found
from tests.fuzz.targets import OFFICIAL_FOLDERS, TARGETS, attempt

KEPT = [(name, kept) for name in TARGETS for kept in found(name)]


@pytest.mark.parametrize("name", TARGETS)
def test_what_the_fuzzer_starts_from_is_good(name):
    refused = [said for said in (attempt(name, seed) for seed in SEEDS[name]()) if said]
    assert refused == []


@pytest.mark.parametrize(("name", "kept"), KEPT, ids=[kept for _, kept in KEPT])
def test_what_the_fuzzer_once_found_is_read_or_refused_in_one_line(name, kept):
    said = attempt(name, found(name)[kept])
    assert said is None or (said.isprintable() and 0 < len(said) < 2001), said


VALUES = (None, "x", -1, 10**6, [["x"]])
OF_JSON = dict.fromkeys(("jsonl", "json", "saved", "official", "grades", "checkpoint"), VALUES)
OF_JSON |= dict.fromkeys(("reply", "prices", "rules", "judged"), VALUES)
OF_JSON |= {"loading": ("x", 10**6), "run_folder": ("x", [["x"]])}  # 30 ms and more for each


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of other libraries, about files that they then refuse
@pytest.mark.parametrize("name", OF_JSON)
def test_no_value_of_a_file_stops_a_reader_by_being_another_or_lost(name):
    tried = 0
    for seed in SEEDS[name]():
        for content in one_by_one(seed, OF_JSON[name]):
            assert attempt(name, content) != "", content
            tried += 1
    assert tried > 40


def test_every_kept_input_belongs_to_a_target():
    assert sorted(kept for _, kept in KEPT) == sorted(path.name for path in FOUND.iterdir())


def test_every_reader_and_every_scorer_is_fuzzed():
    assert {suffix.removeprefix(".") for suffix in READERS} <= set(TARGETS)
    assert {task for task, _ in OFFICIAL_FOLDERS} == set(task_names())
    assert {load_task(name).scorer for name in task_names()} == set(SCORERS)
