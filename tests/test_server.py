"""The server engine: what it sends, what it makes of the replies, and what a run keeps of them."""

from __future__ import annotations

import base64
import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from llava_eval.cli import main
from llava_eval.client import Client
from llava_eval.endpoint import Endpoint
from llava_eval.engines import EngineSettings, load_engine
from llava_eval.engines.server import ServerEngine
from llava_eval.errors import RunError, ServerError, UsageError
from llava_eval.families import FAMILIES, VICUNA_SYSTEM
from llava_eval.images import pad_to_square
from llava_eval.records import ImageRef, Request
from llava_eval.runner import evaluate
from tests.fault_server import ANSWER, FaultServer, no_faults, text_of

KEY = "sk-a-very-secret-key"


def picture(number, size=(40, 30)):
    image = Image.new("RGB", size, (number, 200, 10))
    image.putpixel((number % size[0], 3), (255, 0, 0))
    return image


def reference(number, reads=None):
    file = io.BytesIO()
    picture(number).save(file, "PNG")

    def read():
        if reads is not None:
            reads.append(number)
        return file.getvalue()

    return ImageRef(f"picture {number}", read, f"key {number}")


def request(name, text, image=None):
    return Request(name, text, () if image is None else (image,), max_new_tokens=16)


def engine(server, **changes):
    settings = {"concurrency": 4, "timeout": 5.0, "retries": 1, "first_wait": 0.01}
    client = Client(Endpoint(server.url, "llava", **settings | changes))
    return ServerEngine(client, FAMILIES["llava-1.5"], "llava", None, "")


def answers(engine, requests):
    return [prediction for some in engine.generate(requests) for prediction in some]


def decoded(body):
    """The picture of a request, as the server sees it."""
    url = body["messages"][-1]["content"][0]["image_url"]["url"]
    head, _, data = url.partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_request_is_system_text_picture_and_question():
    with FaultServer() as server:
        answers(engine(server), [request("a", "What is it?", reference(1))])
    (body,) = server.bodies
    system, user = body["messages"]
    assert system == {"role": "system", "content": [{"type": "text", "text": VICUNA_SYSTEM}]}
    assert user["role"] == "user"
    assert [part["type"] for part in user["content"]] == ["image_url", "text"]
    assert user["content"][1]["text"] == "What is it?"
    assert (body["max_tokens"], body["temperature"], body["model"]) == (16, 0.0, "llava")


def test_a_picture_is_padded_to_a_square_and_sent_without_loss():
    with FaultServer() as server:
        answers(engine(server), [request("a", "q", reference(1))])
    sent = decoded(server.bodies[0])
    assert sent.size == (40, 40)
    assert sent.tobytes() == pad_to_square(picture(1), (122, 116, 104)).tobytes()


def test_a_question_without_a_picture_is_a_part_as_well():
    """The chat template of the Hub's llava-1.5 renders parts, and nothing of a plain string."""
    with FaultServer() as server:
        answers(engine(server), [request("a", "What is it?")])
    content = [{"type": "text", "text": "What is it?"}]
    assert server.bodies[0]["messages"][-1] == {"role": "user", "content": content}


def test_the_questions_of_one_picture_are_sent_one_after_the_other():
    """The same picture has two names, and its questions stand far apart."""
    requests = [
        request(f"{number} {question}", f"{number} {question}", reference(number))
        for question in range(3)
        for number in range(5)
    ]
    with FaultServer() as server:
        answers(engine(server, concurrency=1), requests)
    order = [text_of(body).split()[0] for body in server.bodies]
    assert order == sorted(order)


def test_what_is_asked_twice_is_sent_once_and_answered_twice():
    requests = [request(name, "q", reference(1)) for name in "abc"]
    with FaultServer() as server:
        got = answers(engine(server), requests)
    assert server.tries == {"q": 1}
    assert sorted((p.id, p.text) for p in got) == [(name, ANSWER.format("q")) for name in "abc"]


def test_answers_have_their_text_stripped_and_tokens_counted():
    with FaultServer(lambda text, _: "length" if text == "long" else "") as server:
        got = {p.id: p for p in answers(engine(server), [request("a", "q"), request("b", "long")])}
    assert (got["a"].finish, got["a"].prompt_tokens, got["a"].new_tokens) == ("stop", 7, 3)
    assert (got["b"].finish, got["b"].text) == ("length", "cut short")


def test_an_unreadable_picture_fails_its_own_questions_alone():
    broken = ImageRef("broken.png", lambda: b"no picture", "broken")
    requests = [request("a", "1", broken), request("b", "2", reference(2)), request("c", "3")]
    with FaultServer() as server:
        got = {p.id: p for p in answers(engine(server), [*requests, request("d", "4", broken)])}
    assert {name for name, p in got.items() if p.failed} == {"a", "d"}
    assert got["a"].error.startswith("broken.png: not a readable image")
    assert server.tries == {"2": 1, "3": 1}


def test_failures_between_answers_make_no_batch_of_their_own():
    """Three batches of nothing but failures stop a run: three long prompts must not."""
    with FaultServer(lambda text, _: "400" if int(text) % 7 else "") as server:
        batches = list(
            engine(server, concurrency=1).generate([request(str(n), str(n)) for n in range(29)])
        )
    assert [all(p.failed for p in batch) for batch in batches] == [False] * 5
    assert sorted(int(p.id) for batch in batches for p in batch) == list(range(29))


def test_a_server_that_fails_everything_stops_the_run(tmp_path):
    words = "stopped after 32 of 324 samples failed.*HTTP 400.*--retry-failed"
    with FaultServer(lambda text, _: "" if text == "Hello" else "400") as server:
        with pytest.raises(RunError, match=words):
            run(server, tmp_path)
        assert sum(server.tries.values()) < 120


def test_pictures_are_encoded_no_further_ahead_than_twice_what_is_on_its_way():
    reads: list[int] = []
    requests = [request(str(n), str(n), reference(n, reads)) for n in range(60)]
    with FaultServer(delay=0.02) as server:
        asked, most = engine(server, concurrency=5), 0
        for answered, _ in enumerate(asked.generate(requests)):
            most = max(most, len(reads) - 60 - answered)  # each is read once for its digest
    assert len(reads) == 120
    assert 5 < most <= 10


def run(server, out, data="mini", model="served", **settings):
    settings = EngineSettings(
        model, engine="server", base_url=server.url, concurrency=4, timeout=5.0, **settings
    )
    return evaluate(model, "pope", data=str(data), out=out, settings=settings)


def lines(folder):
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]


def test_an_interrupted_run_asks_only_what_is_missing(tmp_path):
    with FaultServer() as server:
        server.plan = lambda text, attempt: "401" if len(server.answered) > 100 else ""
        with pytest.raises(ServerError, match="HTTP 401"):
            run(server, tmp_path)
        before = len(lines(tmp_path / "pope"))
        server.plan = no_faults
        (result,) = run(server, tmp_path)
    assert 80 < before < result.n == len(lines(tmp_path / "pope"))
    assert result.failed == result.missing == 0
    answered = [json.dumps(body) for body in server.answered if text_of(body) != "Hello"]
    on_their_way = 4  # when the run stopped
    assert len(answered) - len(set(answered)) <= on_their_way


def test_a_run_says_how_many_answers_are_empty(tmp_path, capsys):
    with FaultServer(lambda text, _: "" if text == "Hello" else "empty") as server:
        arguments = ["run", "--engine", "server", "--base-url", server.url, "--model", "served"]
        code = main([*arguments, "--tasks", "pope", "--data", "mini", "--out", str(tmp_path)])
        asked = len(server.bodies) - 1
    assert code == 0
    assert f"{asked:,} answers of the server are empty: the limit" in capsys.readouterr().out
    (effort,) = json.loads((tmp_path / "pope" / "run.json").read_text())["efforts"]
    assert effort["usage"]["empty"] == asked
    assert {(line["text"], line["finish"]) for line in lines(tmp_path / "pope")} == {("", "length")}


def test_counts_that_are_none_end_no_run(tmp_path):
    prices = tmp_path / "prices.yaml"
    prices.write_text("currency: EUR\nmodels: {served: {input: 1000, output: 10000}}\n")
    with FaultServer(lambda text, _: "odd-usage") as server:
        (result,) = run(server, tmp_path / "out", prices=prices)
    assert (result.failed, result.missing) == (0, 0)
    (effort,) = json.loads((tmp_path / "out" / "pope" / "run.json").read_text())["efforts"]
    assert effort["usage"]["cost"]["sum"] == 0


def test_the_key_is_in_no_file_where_the_server_answers_with_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FaultServer(lambda text, _: "told-key") as server:
        run(server, tmp_path)
    told = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(KEY in text for text in [*told, *capsys.readouterr()])
    assert any("you sent ***" in text for text in told)


def test_a_run_keeps_identity_tokens_retries_versions_and_cost(tmp_path):
    prices = tmp_path / "prices.yaml"
    prices.write_text("currency: EUR\nmodels: {served: {input: 1000, output: 10000}}\n")
    with FaultServer(lambda text, attempt: "500" if attempt == 0 and "0" in text else "") as server:
        (result,) = run(server, tmp_path / "out", prices=prices)
        asked = len(server.answered) - 1  # but for the first word
    sealed = json.loads((tmp_path / "out" / "pope" / "run.json").read_text())
    identity = sealed["identity"]
    assert (identity["engine"], identity["model"]) == ("server", "served")
    assert identity["weights"] == "served as served-1"
    assert identity["template"] == "the server's own"
    assert "in one piece" in identity["tokenisation"]
    (effort,) = sealed["efforts"]
    usage = effort["usage"]
    assert usage["requests"] == asked < result.n
    assert (usage["prompt_tokens"], usage["new_tokens"]) == (7 * asked, 3 * asked)
    assert usage["versions"] == {"served-1 fp_1": asked}
    assert usage["cost"] == {"sum": pytest.approx(asked * 0.037), "currency": "EUR"}
    assert server.url.split("/")[2] in sealed["environment"]["device"]


def test_answers_of_another_version_do_not_continue_a_run(tmp_path):
    with FaultServer() as server:
        run(server, tmp_path)
    words = "weights is 'served as served-1' there and 'served as served-2' now"
    with FaultServer(model="served-2") as server, pytest.raises(RunError, match=words):
        run(server, tmp_path)


@pytest.mark.parametrize("status", ["401", "400"])
def test_the_key_is_sent_and_written_nowhere(status, tmp_path, monkeypatch, capsys, caplog):
    """The server repeats it in its errors: in one that stops the run, or in every failure."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", KEY)
    with FaultServer(lambda text, _: "" if text == "Hello" else f"echo-{status} 0") as server:
        arguments = ["run", "--engine", "server", "--base-url", server.url, "--model", "served"]
        arguments += ["--tasks", "pope", "--data", "mini", "--out", str(tmp_path)]
        code = main([*arguments, "--api-key-env", "MY_KEY"])
    printed = capsys.readouterr()
    files = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert code == 1
    assert any(f"Bearer {KEY}" in head for head in server.headers)
    told = [printed.out, printed.err, caplog.text, *files]
    assert not any(KEY in text for text in told)
    assert any("Bearer ***" in text for text in told)  # the error came through, without the key
    assert "Traceback" not in printed.err


@pytest.mark.parametrize("behind", range(160, 200, 3))
def test_an_error_that_is_cut_short_does_not_end_in_half_a_key(behind, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FaultServer(lambda text, _: f"echo-401 {behind}") as server:
        client = Client(Endpoint(server.url, "m"))
        with pytest.raises(ServerError, match="HTTP 401: xxx") as caught:
            client.probe()
    assert KEY[:4] not in str(caught.value)


def test_an_exception_carries_no_request_with_the_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FaultServer(lambda text, _: "echo-401 0") as server:
        client = Client(Endpoint(server.url, "m"))
        with pytest.raises(ServerError, match=r"Bearer \*\*\*") as caught:
            client.probe()
    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    assert KEY not in repr(vars(error)) + str(error)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_url": None}, "--engine server: where is it[?] give --base-url"),
        ({"dtype": "float16"}, "--dtype: the server decides"),
        ({"share": False}, "--exact: the server decides"),
        ({"batch_size": 8}, "--batch-size: a server has --concurrency instead"),
        ({"engine": "hf"}, "--base-url: is for a server"),
        ({"engine": "hf", "base_url": None, "timeout": 3.0}, "--timeout: is for a server"),
    ],
)
def test_a_setting_that_would_be_ignored_is_refused(changes, words):
    with pytest.raises(UsageError, match=words):
        EngineSettings(**{"model": "m", "engine": "server", "base_url": "http://h/v1"} | changes)


def test_an_unknown_family_and_a_missing_price_are_refused_before_anything_is_sent(tmp_path):
    prices = tmp_path / "prices.json"
    prices.write_text('{"currency": "USD", "models": {"other": {"input": 1, "output": 1}}}')
    for changes, words in (
        ({"family": "lava"}, "--family lava: not known"),
        ({"prices": prices}, "no price of 'served'"),
    ):
        with FaultServer() as server:
            with pytest.raises(UsageError, match=words):
                run(server, tmp_path / "out", **changes)
            assert not server.bodies


def test_a_wrong_key_is_one_line_before_a_run_folder_is_made(tmp_path, capsys):
    with FaultServer(lambda text, _: "401") as server:
        arguments = ["run", "--engine", "server", "--base-url", server.url, "--model", "served"]
        code = main([*arguments, "--tasks", "pope", "--data", "mini", "--out", str(tmp_path / "o")])
    assert code == 1
    assert capsys.readouterr().err == (
        f"llava-eval: {server.url}: HTTP 401: fault 401; "
        "put a key that the server accepts into $OPENAI_API_KEY\n"
    )
    assert not (tmp_path / "o").exists()


SCRIPT = """
import sys
from llava_eval.runner import evaluate
from llava_eval.engines import EngineSettings
settings = EngineSettings("served", engine="server", base_url=sys.argv[1], concurrency=4)
evaluate("served", "pope", data="mini", out=sys.argv[2], settings=settings)
print([name for name in ("torch", "transformers") if name in sys.modules])
"""


def test_a_run_on_a_server_imports_neither_torch_nor_transformers(tmp_path):
    with FaultServer() as server:
        command = [sys.executable, "-c", SCRIPT, server.url, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_without_the_package_openai_there_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(UsageError, match="pip install 'llava-eval\\[server\\]'"):
        load_engine(EngineSettings("m", engine="server", base_url="http://127.0.0.1:1/v1"))


def test_a_served_model_has_a_folder_of_its_name():
    from llava_eval.runner import run_root

    assert run_root("llava-1.5-7b") == Path("results/runs/llava-1.5-7b")
