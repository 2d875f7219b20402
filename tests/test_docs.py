from pathlib import Path

from llava_eval.cards import benchmarks_page

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_page_of_benchmarks_is_current():
    assert (DOCS / "benchmarks.md").read_text(encoding="utf-8") == benchmarks_page()
