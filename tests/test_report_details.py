"""One sample in detail, and what the list, the search and the pictures show of it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from llava_eval.engines.replay import ReplayEngine
from llava_eval.failures import FailureLimit
from llava_eval.records import Prediction
from llava_eval.report.build import build_report
from llava_eval.report.subject import read_subject
from llava_eval.report.thumbnails import SIDE
from llava_eval.runner import Nobody, run_task
from llava_eval.samples import read_samples
from llava_eval.task import load_task
from tests.browsing import chromium, listed, opened
from tests.conftest import pope_row
from tests.test_seedbench import row as seed_row

pytestmark = pytest.mark.slow

COLOURS = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250)]
ANSWERS = [
    Prediction("", "Yes", "stop"),
    Prediction("", " \n ", "stop"),
    Prediction("", "", "stop"),
    Prediction("", "", "error", "out of memory: CUDA"),
    Prediction("", f"No{' and on' * 400} needle", "length"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def replay(folder: Path, task: str, rows: list[dict[str, object]], answers: list[Prediction]):
    """Answer rows of one's own in their order, under a long name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    card = load_task(task)
    data = read_samples(card, str(path))
    found = {
        sample.id: Prediction(sample.id, answer.text, answer.finish, answer.error)
        for sample, answer in zip(data.samples, answers, strict=True)
    }
    name = "owner/" + "a-long-name-" * 9
    engine, limit = ReplayEngine(found, name, name), FailureLimit(share=1.0)
    run_task(card, data, engine, name, folder / "runs" / task, False, Nobody(), None, limit)
    return folder / "runs"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on answers of every odd kind, each about a picture of one colour."""
    root = tmp_path_factory.mktemp("odd")
    (root / "pope").mkdir()
    for number, colour in enumerate(COLOURS):
        Image.new("RGB", (64, 48), colour).save(root / "pope" / f"{number}.png")
    rows = [pope_row(n, image=f"{n}.png") for n in range(len(COLOURS))]
    build_report(read_subject([replay(root / "pope", "pope", rows, ANSWERS)]), root / "report")
    return root / "report"


@pytest.mark.parametrize(
    ("words", "count"),
    [("out of MEMORY", 1), ("needle", 1), ("yes", 4), ("4", 1), ("seven", 5), ("nowhere", 0)],
)
def test_the_search_reads_ids_questions_references_answers_and_errors(
    browser: Browser, odd: Path, words: str, count: int
) -> None:
    with opened(browser, odd, "#/pope") as page:
        assert listed(page) == 5
        page.get_by_label("Search").fill(words)
        expect(page.locator("#samples-count")).to_have_text(f"{count} of 5 samples")


def test_the_page_says_how_much_is_searched(browser: Browser, odd: Path) -> None:
    with opened(browser, odd, "#/pope") as page:
        expect(page.get_by_text("answers and errors, the first 5,000 characters")).to_be_visible()


@pytest.mark.parametrize("place", [0, 3])
def test_a_sample_has_its_own_picture_small_and_in_full(
    browser: Browser, odd: Path, place: int
) -> None:
    with opened(browser, odd, "#/pope") as page:
        row = page.locator("#samples-list [role=option]").nth(place)
        see_colour(row.locator(".thumbnail"), COLOURS[place])
        row.click()
        expect(page.locator("#details-title")).to_have_text(str(place))
        style = page.locator("#picture .thumbnail").evaluate("(span) => span.style.cssText")
        assert f"{-place * SIDE}px 0px" in style or (place == 0 and "0px 0px" in style)
        page.locator("#picture").click()
        image = page.locator("#image img")
        expect(image).to_have_attribute("src", f"images/pope/{place}.png")
        page.wait_for_function("() => document.querySelector('#image img').naturalWidth === 64")
        see_colour(image, COLOURS[place])


def see_colour(found: Locator, colour: tuple[int, int, int]) -> None:
    """Wait until the middle of an element has this colour: a picture comes when it comes."""
    wanted = tuple(part > 128 for part in colour)
    for _ in range(100):
        with Image.open(io.BytesIO(found.screenshot())) as image:
            middle = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
        if tuple(part > 128 for part in middle) == wanted:
            return
        found.page.wait_for_timeout(100)
    pytest.fail(f"the middle is {middle}, not {colour}")


def test_white_space_alone_is_said_to_be_that(browser: Browser, odd: Path) -> None:
    with opened(browser, odd, "#/pope/1") as page:
        raw = page.locator("dd", has=page.get_by_label("Raw prediction"))
        expect(raw).to_contain_text("(only white space)")
        page.locator("#details-next").click()
        expect(page.locator("#details-title")).to_have_text("2")
        expect(page.locator("#details")).to_contain_text("(empty)")


def test_the_score_of_a_sample_is_its_own(browser: Browser, odd: Path) -> None:
    scores = (odd.parent / "pope/runs/pope/scores.jsonl").read_text(encoding="utf-8")
    values = {row["id"]: row["value"] for row in map(json.loads, scores.splitlines())}
    assert set(values.values()) == {0, 1, None}
    with opened(browser, odd) as page:
        for name, value in values.items():
            page.goto(page.url.split("#")[0] + f"#/pope/{name}")
            expect(page.locator("#details-title")).to_have_text(name)
            facts = page.locator(".verdict .facts")
            if value is None:
                expect(facts).not_to_contain_text("score")
            else:
                expect(facts).to_contain_text(f"score {value:g} ·")


@pytest.mark.parametrize(
    ("choices", "answer", "right"),
    [
        (["B", "C", "D", "A"], "D", 3),
        (["1", "2", "3", "4"], "B", 1),
        (["A", "A", "A", "A"], "C", 2),
    ],
)
def test_one_choice_is_the_reference_though_choices_are_letters(
    browser: Browser, tmp_path: Path, choices: list[str], answer: str, right: int
) -> None:
    names = [f"choice_{letter}" for letter in "abcd"]
    row = seed_row(2) | dict(zip(names, choices, strict=True)) | {"answer": answer}
    runs = replay(tmp_path / "seed", "seedbench", [row], [Prediction("", "A", "stop")])
    build_report(read_subject([runs]), tmp_path / "report")
    with opened(browser, tmp_path / "report") as page:
        page.locator("#samples-list [role=option]").click()
        marked = page.locator(".choices li:has(.reference)")
        expect(marked).to_have_count(1)
        expect(page.locator(".choices li").nth(right).locator(".reference")).to_have_count(1)


@pytest.mark.parametrize("width", [1280, 768, 360])
@pytest.mark.parametrize("sample", ["1", "3", "4"])
def test_axe_finds_no_fault_in_odd_answers(
    browser: Browser, odd: Path, sample: str, width: int
) -> None:
    with opened(browser, odd, f"#/pope/{sample}", width=width) as page:
        expect(page.locator("#details-title")).to_have_text(sample)
        page.evaluate("document.querySelectorAll('details').forEach((box) => (box.open = true))")
        found = Axe().run(page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == []
