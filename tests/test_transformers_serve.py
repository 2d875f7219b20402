"""The server engine against a real server: `transformers serve` with the demo checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Template

from llava_eval.checkpoint import DEMO
from llava_eval.engines import EngineSettings
from llava_eval.errors import ServerError
from llava_eval.families import FAMILIES
from llava_eval.resources import resource
from llava_eval.runner import evaluate
from llava_eval.store import read_predictions
from tests.transformers_server import transformers_serve

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="transformers serve needs it")

TASKS = ["pope", "textvqa", "mmbench_cn", "scienceqa", "llava_bench", "gqa"]
TEMPLATE = Path(__file__).parent.parent / "docs" / "vicuna_v1.jinja"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Serve a copy of the demo checkpoint with a chat template: base URL and model name."""
    folder = tmp_path_factory.mktemp("served") / "demo"
    shutil.copytree(resource("llava_eval/demo/checkpoint"), folder)
    shutil.copy(TEMPLATE, folder / "chat_template.jinja")
    with transformers_serve(folder) as url:
        yield url, str(folder)


def test_a_server_gives_the_answers_of_the_process_request_for_request(served, tmp_path):
    """Texts, ends, and the lengths of prompts and answers: whole lines of predictions.jsonl."""
    url, model = served
    settings = EngineSettings(model, engine="server", base_url=url, concurrency=4)
    there = evaluate(model, TASKS, data="mini", limit=50, out=tmp_path / "there", settings=settings)
    here = evaluate(DEMO, TASKS, data="mini", limit=50, out=tmp_path / "here")
    assert [result.n for result in there] == [result.n for result in here]
    for task in TASKS:
        answers = read_predictions(tmp_path / "there" / task / "predictions.jsonl")
        assert len(answers) > 30
        assert answers == read_predictions(tmp_path / "here" / task / "predictions.jsonl")


def test_the_template_in_the_docs_renders_the_familys_prompt():
    family = FAMILIES["llava-1.5"]
    text = {"type": "text", "text": "What is it?"}
    for asked, template in (
        ([{"type": "image"}, text], family.with_image),
        ([text], family.text_only),
        ("What is it?", family.text_only),
    ):
        messages = [
            {"role": "system", "content": family.system},
            {"role": "user", "content": asked},
        ]
        source = TEMPLATE.read_text(encoding="utf-8")
        rendered = Template(source).render(messages=messages, add_generation_prompt=True)
        assert rendered == template.replace("{text}", "What is it?")


def test_an_unknown_model_is_one_line(served):
    url, _ = served
    settings = EngineSettings("no-such-model", engine="server", base_url=url)
    with pytest.raises(ServerError, match="HTTP 400: Server is pinned to"):
        evaluate("no-such-model", "pope", data="mini", settings=settings)
