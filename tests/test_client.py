"""The client against a server that fails in every way that servers do."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from llava_eval.bench import client as bench
from llava_eval.client import Client
from llava_eval.endpoint import Endpoint
from llava_eval.errors import ServerError, UsageError
from llava_eval.replies import BadReplyError, Chat, Failure, Reply, read_reply, wait_asked_for
from tests.fault_server import ANSWER, FaultServer

RETRIES = 3


def endpoint(server, **changes):
    settings = {"concurrency": 8, "timeout": 20.0, "retries": RETRIES, "first_wait": 0.01}
    return Endpoint(server.url, "some-model", **settings | changes)


def chat(text):
    return Chat([{"role": "user", "content": text}], max_tokens=5)


def chats(count):
    return [(number, chat(f"q{number}")) for number in range(count)]


def first_tries(fault, count=1):
    """A plan: the first tries of every chat meet this fault."""
    return lambda text, attempt: fault if attempt < count else ""


PASSING = (
    "429",
    "429 0",
    "408",
    "409",
    "500",
    "502",
    "503",
    "503 0",
    "529",
    "slow 5",
    "drip",
    "truncated",
    "dropped",
    "malformed",
    "html",
    "no-choices",
    "null-choices",
    "null",
    "list",
    "error-200",
)


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_tried_again_and_answered_once(fault):
    with FaultServer(first_tries(fault)) as server:
        timeout = 1.0 if fault in ("slow 5", "drip") else 20.0
        ((key, reply),) = Client(endpoint(server, timeout=timeout)).ask([("a", chat("q"))])
    assert (key, reply.text, reply.retries) == ("a", ANSWER.format("q"), 1)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("500", "HTTP 500: fault 500"),
        ("slow 5", "no answer within 0.5 s"),
        ("drip", "no answer within 0.5 s"),
        ("truncated", "no whole reply"),
        ("dropped", "no whole reply"),
        ("malformed", "no JSON"),
        ("html", "no JSON"),
        ("no-choices", "without choices"),
        ("null", "without text"),
        ("error-200", "overloaded"),
    ],
)
def test_a_fault_that_stays_is_one_failure_with_its_reason(fault, words):
    with FaultServer(first_tries(fault, 99)) as server:
        client = Client(endpoint(server, timeout=0.5 if "0.5" in words else 20.0))
        ((_, failure),) = client.ask([("a", chat("q"))])
    assert isinstance(failure, Failure)
    assert words in failure.reason
    assert (server.tries["q"], failure.retries) == (1 + RETRIES, RETRIES)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("400", "HTTP 400: fault 400"),
        ("403", "HTTP 403: fault 403; is the key in $OPENAI_API_KEY the right one?"),
        ("refused temperature", "'temperature' does not support 0.0 with this model"),
        ("gzip", "a reply in gzip, which was not asked for"),
        ("endless 200", "a reply of more than 8 MiB"),
        ("422", "HTTP 422: fault 422"),
        ("filtered", "content_filter"),
        ("spent", "spent all 3 tokens before one; a model that reasons first needs more"),
    ],
)
def test_what_no_retry_mends_is_tried_once_and_fails_alone(fault, words):
    with FaultServer(lambda text, attempt: fault if text == "q1" else "") as server:
        got = dict(Client(endpoint(server)).ask(chats(3)))
    assert words in got[1].reason
    assert server.tries == {"q0": 1, "q1": 1, "q2": 1}
    assert [got[key].text for key in (0, 2)] == [ANSWER.format("q0"), ANSWER.format("q2")]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("401", "put a key that the server accepts into $OPENAI_API_KEY"),
        ("404", "the address must end in /v1, and 'some-model' be a model there"),
        ("405", "the address must end in /v1, and 'some-model' be a model there"),
        ("402", "the account has nothing left"),
        ("quota", "the account has nothing left"),
    ],
)
def test_what_every_request_would_meet_stops_at_once_with_one_line(fault, words):
    with FaultServer(first_tries(fault, 99)) as server:
        with pytest.raises(ServerError, match=r"^http://127\.0\.0\.1") as caught:
            list(Client(endpoint(server)).ask(chats(1000)))
        assert sum(server.tries.values()) <= 2 * 8
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_answers_that_have_arrived_come_before_the_error_that_stops():
    """The first reply is the error; two answers have come when it is met."""

    def making():
        yield from chats(3)
        time.sleep(0.4)
        yield from [(3, chat("q3"))]

    keys = []
    with FaultServer(lambda text, _: "401" if text == "q0" else "slow 0.1", delay=0.1) as server:
        answers = Client(endpoint(server)).ask(making())
        with pytest.raises(ServerError):
            keys.extend(key for key, _ in answers)
    assert sorted(keys) == [1, 2]


@pytest.mark.parametrize(
    ("location", "address"),
    [
        ("/api/v1/chat/completions", "/api/v1"),
        ("https://host/v1/chat/completions", "https://host/v1"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_but_its_address_told(status, location, address):
    """Most turn the question into a GET, and whatever answers that would be scored."""
    with FaultServer(first_tries(f"{status} {location}", 99)) as server:
        with pytest.raises(ServerError) as caught:
            list(Client(endpoint(server)).ask(chats(1)))
        new = address if ":" in address else server.url.removesuffix("/v1") + address
        told = f"HTTP {status}: fault {status}; redirected to {new}, which is not followed"
        assert f"{server.url}: {told}: give that address instead" == str(caught.value)
        assert server.tries == {"q0": 1}


def test_retry_after_is_honoured():
    with FaultServer(first_tries("429 0.4")) as server:
        started = time.monotonic()
        ((_, reply),) = Client(endpoint(server)).ask([("a", chat("q"))])
    assert time.monotonic() - started >= 0.4
    assert isinstance(reply, Reply)


def test_a_rate_limit_takes_nobodys_retries_while_somebody_is_answered():
    """Turned away more often than RETRIES, and longer than patience, every third gets through."""
    seen = Counter()

    def every_third(text, attempt):
        seen["all"] += 1
        return "" if seen["all"] % 3 == 0 else "429 0.1"

    with FaultServer(every_third) as server:
        started = time.monotonic()
        got = list(Client(endpoint(server, patience=2.0)).ask(chats(100)))
    assert time.monotonic() - started > 2.0
    assert all(isinstance(reply, Reply) for _, reply in got)
    assert max(server.tries.values()) > 1 + RETRIES


def test_a_server_that_turns_everybody_away_is_given_up_when_patience_ends():
    with FaultServer(first_tries("429 0.05", 999)) as server:
        started = time.monotonic()
        got = list(Client(endpoint(server, patience=0.5)).ask(chats(20)))
    assert 0.5 <= time.monotonic() - started < 5
    assert {reply.reason for _, reply in got} == {"HTTP 429: fault 429"}


def test_a_server_that_asks_for_more_than_patience_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(Client, "_pause", lambda *_: 0.01)
    with FaultServer(first_tries("429 3600")) as server:
        ((_, failure),) = Client(endpoint(server)).ask([("a", chat("q"))])
    assert failure == Failure("HTTP 429: fault 429", retries=0)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
@pytest.mark.parametrize(("wait", "tries"), [(500, 2), (700, 1)])
def test_no_fault_is_waited_for_longer_than_ten_minutes(status, wait, tries, monkeypatch):
    monkeypatch.setattr(Client, "_pause", lambda *_: 0.01)
    with FaultServer(first_tries(f"{status} {wait}")) as server:
        ((_, reply),) = Client(Endpoint(server.url, "m")).ask([("a", chat("q"))])
    assert server.tries == {"q": tries}
    assert isinstance(reply, Reply if tries == 2 else Failure)


def test_a_busy_server_costs_no_retries_whichever_way_it_says_so():
    with FaultServer(first_tries("503 0.01", 3 * RETRIES)) as server:
        ((_, reply),) = Client(endpoint(server)).ask([("a", chat("q"))])
    assert (reply.text, reply.retries) == (ANSWER.format("q"), 3 * RETRIES)


def test_a_long_pause_is_told_once_a_minute(monkeypatch, caplog):
    monkeypatch.setattr("llava_eval.client.LONG_PAUSE", 0.01)
    with FaultServer(first_tries("500 0.05", 2)) as server:
        list(Client(endpoint(server)).ask(chats(10)))
        (record,) = caplog.records
        assert record.getMessage() == f"{server.url}: HTTP 500: fault 500; trying again in 0 s"


def test_a_short_pause_is_not_told(caplog):
    with FaultServer(first_tries("500 0.05", 2)) as server:
        list(Client(endpoint(server)).ask(chats(10)))
    assert not caplog.records


def test_pauses_grow_and_are_never_all_the_same():
    client = Client(Endpoint("http://127.0.0.1:1/v1", "m", first_wait=1.0))
    for tries, most in ((0, 1), (1, 2), (2, 4), (9, 64), (5000, 64)):
        pauses = [client._pause(tries, None) for _ in range(50)]
        assert most / 2 <= min(pauses) < max(pauses) <= most
    for tries, most in ((0, 8), (1, 9), (5000, 23)):
        pauses = [client._pause(tries, 7.0) for _ in range(50)]
        assert 7 <= min(pauses) < max(pauses) <= most


FAULTS = ("429", "429 0", "500", "503 0", "truncated", "dropped", "malformed", "no-choices", "null")


def now_and_then(text, attempt):
    """One try in six meets a fault, the same for the same text; the fourth passes."""
    dice = hashlib.sha256(f"{text} {attempt}".encode()).digest()
    return FAULTS[dice[1] % len(FAULTS)] if dice[0] < 43 and attempt < RETRIES else ""


@pytest.mark.slow
def test_ten_thousand_requests_at_concurrency_64_lose_no_answer_and_double_none():
    with FaultServer(now_and_then) as server:
        client = Client(endpoint(server, concurrency=64, timeout=30.0))
        got = list(client.ask(chats(10_000)))
    assert sorted(key for key, _ in got) == list(range(10_000))
    assert all(reply.text == ANSWER.format(f"q{key}") for key, reply in got)
    assert client.usage.retries == sum(server.tries.values()) - 10_000 > 1000
    assert server.busiest <= 64


def test_no_more_are_on_their_way_or_made_than_there_is_room_for():
    made = []

    def making():
        for number, one in chats(60):
            made.append(number)
            yield number, one

    with FaultServer(delay=0.02) as server:
        most = 0
        for answered, _ in enumerate(Client(endpoint(server, concurrency=6)).ask(making())):
            most = max(most, len(made) - answered)
    assert server.busiest == 6
    assert most == 6


@pytest.mark.parametrize("most", [4, 150])
def test_connections_are_used_again(most):
    with FaultServer(delay=0.02) as server:
        list(Client(endpoint(server, concurrency=most, timeout=60.0)).ask(chats(4 * most)))
    assert server.connections <= most


def test_who_stops_listening_stops_the_sending():
    """All but the first are on their way for a minute, unless they are given up."""
    with FaultServer(lambda text, _: "" if text == "q0" else "slow 60") as server:
        started = time.monotonic()
        for _ in Client(endpoint(server, timeout=60.0, retries=0)).ask(chats(1000)):
            break
        assert time.monotonic() - started < 30
        assert sum(server.tries.values()) <= 2 * 8


def test_of_an_endless_reply_no_more_than_the_limit_is_read():
    """Of an error, too; what lies in the buffers of the line comes on top."""
    with FaultServer(first_tries("endless 500", 99)) as server:
        ((_, failure),) = Client(endpoint(server, retries=0)).ask([("a", chat("q"))])
    assert failure.reason == "a reply of more than 8 MiB"
    assert 8 * 2**20 < server.sent < 32 * 2**20


def test_it_works_where_an_event_loop_runs_already():
    async def notebook():
        return list(Client(endpoint(server)).ask(chats(3)))

    with FaultServer() as server:
        assert len(asyncio.run(notebook())) == 3


def test_what_is_sent_is_greedy_and_has_the_models_name():
    with FaultServer() as server:
        list(Client(endpoint(server)).ask(chats(1)))
    (body,) = server.bodies
    assert body == {
        "model": "some-model",
        "messages": [{"role": "user", "content": "q0"}],
        "max_tokens": 5,
        "temperature": 0.0,
    }


def test_a_limit_of_tokens_is_called_as_the_server_knows_it():
    with FaultServer(first_tries("refused max_tokens", 99)) as server:
        client = Client(endpoint(server, concurrency=1))
        assert client.probe().text == ANSWER.format("Hello")
        got = list(client.ask(chats(5)))
    assert all((reply.text, reply.retries) == (ANSWER.format(f"q{key}"), 0) for key, reply in got)
    refused, *others = server.bodies
    assert refused.pop("max_tokens") == others[0].pop("max_completion_tokens")
    assert refused == others[0]
    assert [body.get("max_completion_tokens") for body in others[1:]] == [5] * 5


def test_a_server_that_refuses_to_be_greedy_is_told_in_its_own_words():
    words = "HTTP 400: Unsupported value: 'temperature' does not"
    with FaultServer(first_tries("refused temperature", 99)) as server:
        with pytest.raises(ServerError, match=words):
            Client(endpoint(server)).probe()
        assert server.tries == {"Hello": 1}


def test_empty_answers_whose_limit_was_spent_are_counted():
    plan = {"q0": "empty", "q1": "length", "q2": "empty"}
    with FaultServer(lambda text, _: plan.get(text, "")) as server:
        client = Client(endpoint(server))
        got = dict(client.ask(chats(4)))
    assert [(got[n].text, got[n].finish) for n in (0, 1)] == [
        ("", "length"),
        ("cut short", "length"),
    ]
    assert (client.usage.empty, client.usage.failed) == (2, 0)


@pytest.mark.parametrize("key", ["sk-a-very-secret-key", "EMPTY"])
def test_nothing_that_is_kept_of_a_reply_holds_the_key(key, monkeypatch):
    """But a placeholder, as servers without keys are given, is a word like others."""
    monkeypatch.setenv("OPENAI_API_KEY", key)
    told = key if key == "EMPTY" else "***"
    with FaultServer(first_tries("told-key", 99)) as server:
        ((_, reply),) = Client(endpoint(server)).ask([("a", chat("q"))])
    assert reply.text == f"you sent {told}"
    assert (reply.model, reply.system_fingerprint) == (f"m of {told}", told)


def test_usage_counts_tokens_retries_and_who_answered():
    with FaultServer(first_tries("500")) as server:
        client = Client(endpoint(server))
        list(client.ask(chats(10)))
    usage = client.usage
    assert (usage.requests, usage.retries, usage.failed) == (10, 10, 0)
    assert (usage.prompt_tokens, usage.new_tokens) == (70, 30)
    assert usage.versions == {("served-1", "fp_1"): 10}


def test_replies_of_no_use_are_billed_and_their_tokens_counted():
    with FaultServer(first_tries("null", 2)) as server:
        client = Client(endpoint(server))
        ((_, reply),) = client.ask([("a", chat("q"))])
    assert (reply.prompt_tokens, reply.new_tokens) == (7, 3)
    assert (reply.lost_prompt_tokens, reply.lost_new_tokens) == (14, 6)
    assert (client.usage.prompt_tokens, client.usage.new_tokens) == (21, 9)


@pytest.mark.parametrize(("fault", "tries"), [("null", 1 + RETRIES), ("spent", 1), ("500", 0)])
def test_tokens_of_a_failure_are_counted_too(fault, tries):
    with FaultServer(first_tries(fault, 99)) as server:
        client = Client(endpoint(server))
        ((_, failure),) = client.ask([("a", chat("q"))])
    assert (failure.lost_prompt_tokens, failure.lost_new_tokens) == (7 * tries, 3 * tries)
    assert (client.usage.prompt_tokens, client.usage.new_tokens) == (7 * tries, 3 * tries)


def test_a_server_that_counts_no_tokens_still_answers():
    with FaultServer(first_tries("no-usage", 9)) as server:
        ((_, reply),) = Client(endpoint(server)).ask([("a", chat("q"))])
    assert reply == Reply("no usage", "stop", "served-1")


def test_a_text_that_is_no_unicode_fails_alone():
    with FaultServer() as server:
        got = dict(Client(endpoint(server)).ask([("a", chat("\ud800")), ("b", chat("q"))]))
    assert got["a"].reason.startswith("cannot be sent")
    assert got["b"].text == ANSWER.format("q")


def test_a_first_request_to_nobody_is_one_line(unused_port):
    where = Endpoint(f"http://127.0.0.1:{unused_port}/v1", "m", first_wait=0.01)
    with pytest.raises(ServerError, match=r"ConnectError: .*; is the server running\?$"):
        Client(where).probe()


PROXY = "http://me:secret@127.0.0.1:1"


@pytest.fixture
def environment(monkeypatch):
    """An environment in which no proxy is set; returns what sets a variable."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setitem(sys.modules, "socksio", None)  # not installed
    return monkeypatch.setenv


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_that_is_in_the_way_is_named(name, environment, unused_port):
    """Also where the server is on this machine: the package asks the proxy for it, too."""
    environment(name, PROXY)
    where = Endpoint(f"http://127.0.0.1:{unused_port}/v1", "m", first_wait=0.01)
    with pytest.raises(ServerError) as caught:
        Client(where).probe()
    assert str(caught.value).endswith(
        f"; ${name} sends it through a proxy; NO_PROXY=127.0.0.1 goes past it"
    )
    assert "secret" not in str(caught.value)
    environment("NO_PROXY", "127.0.0.1")
    with pytest.raises(ServerError, match=r"; is the server running\?$"):
        Client(where).probe()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1080", r"\$ALL_PROXY: .*socksio"),
        ("https_proxy", "ftp://me:secret@x", r"\$https_proxy: no address of a proxy"),
        ("HTTP_PROXY", "http://me:sec/ret@x:1", r"\$HTTP_PROXY: no address of a proxy"),
        ("SSL_CERT_FILE", "/nowhere.pem", r"\$SSL_CERT_FILE: .*No such file"),
    ],
)
def test_what_the_environment_has_wrong_is_one_line_that_names_it(name, value, words, environment):
    environment(name, value)
    with FaultServer() as server:
        with pytest.raises(UsageError, match=f"^no connection can be made: {words}") as caught:
            Client(endpoint(server)).probe()
        assert not server.bodies
    assert "sec" not in str(caught.value)


@pytest.fixture
def unused_port():
    with FaultServer() as server:
        return int(server.url.split(":")[2].split("/")[0])


BODY = b'{"model": "m", "choices": [{"message": {"content": %s}, "finish_reason": %s}]}'


@pytest.mark.parametrize(
    ("content", "reason", "text", "finish"),
    [
        (b'"yes"', b'"stop"', "yes", "stop"),
        (b'" yes\\n"', b'"length"', " yes\n", "length"),
        (b'""', b'"stop"', "", "stop"),
        (b'"yes"', b"null", "yes", ""),
        (b'"yes"', b'"eos_token"', "yes", "stop"),
        (
            b'[{"type": "text", "text": "in "}, {"type": "text", "text": "two"}]',
            b'""',
            "in two",
            "",
        ),
        (b'[{"type": "output_text", "text": "yes"}]', b'"stop"', "yes", "stop"),
        (b'[{"type": "thinking"}, {"type": "text", "text": "yes"}]', b'"stop"', "yes", "stop"),
    ],
)
def test_a_reply_is_read_verbatim(content, reason, text, finish):
    assert read_reply(BODY % (content, reason)) == Reply(text, finish, "m")


@pytest.mark.parametrize(
    ("body", "words", "again"),
    [
        (b"", "no JSON", True),
        (b"[1]", "no JSON object", True),
        (b"{}", "without choices", True),
        (b'{"choices": {}}', "without choices", True),
        (b'{"choices": [7]}', "without choices", True),
        (b'{"choices": [{"message": 7}]}', "without text", True),
        (b'{"choices": [{"message": {"content": ["yes"]}}]}', "without text", True),
        (b'{"choices": [{"message": {"content": []}}]}', "without text", True),
        (b'{"choices": [{"message": {"content": [{"type": "text"}]}}]}', "without text", True),
        (b'{"choices": [{"message": {"refusal": "I will not"}}]}', "refused: I will not", False),
        (b'{"error": {"message": "no room"}}', "no room", True),
        (b"\xff\xfe", "no JSON", True),
    ],
)
def test_a_reply_without_an_answer_says_what_is_wrong(body, words, again):
    with pytest.raises(BadReplyError, match=words) as caught:
        read_reply(body)
    assert caught.value.again is again


@pytest.mark.parametrize(
    "count", ["true", "-5", "1" + "0" * 400, "1e400", "2.5", '"7"', "[7]", "null", "NaN"]
)
def test_a_count_that_is_none_counts_nothing(count):
    body = BODY[:-1] + b', "usage": {"prompt_tokens": %s, "completion_tokens": 3}}'
    reply = read_reply(body % (b'"yes"', b'"stop"', count.encode()))
    assert (reply.prompt_tokens, reply.new_tokens) == (0, 3)


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"retry-after": "7"}, 7, 7),
        ({"retry-after": "0.5"}, 0.5, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25, 0.25),
        ({"retry-after": "-3"}, 0, 0),
        ({"retry-after": "soon"}, None, None),
        ({}, None, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0, 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers, low, high):
    assert wait_asked_for(headers) == low == high


def test_retry_after_may_be_a_date_to_come():
    date = datetime.now(timezone.utc) + timedelta(seconds=60)
    assert 55 < wait_asked_for({"retry-after": format_datetime(date, usegmt=True)}) <= 60


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_url": "localhost:8000/v1"}, "give http://host:port/v1"),
        ({"base_url": "http:///v1"}, "give http://host:port/v1"),
        ({"base_url": "http://host:port/v1"}, "give http://host:port/v1"),
        ({"base_url": "http://host\n/v1"}, "give http://host:port/v1"),
        ({"base_url": "http://host/v1\x7f"}, "give http://host:port/v1"),
        ({"base_url": "http://host/" + "v" * 70_000}, "give http://host:port/v1"),
        ({"base_url": "http://me:secret@host/v1"}, "no user, password or query"),
        ({"base_url": "http://host/v1?key=secret"}, "no user, password or query"),
        ({"concurrency": 0}, "--concurrency 0"),
        ({"concurrency": 5000}, "--concurrency 5000"),
        ({"timeout": 0.0}, "--timeout 0"),
        ({"timeout": float("nan")}, "--timeout nan"),
    ],
)
def test_a_wrong_setting_is_refused_and_a_password_not_repeated(changes, words):
    with pytest.raises(UsageError, match=words) as caught:
        Endpoint(**{"base_url": "http://host/v1", "model": "m"} | changes)
    assert "secret" not in str(caught.value)


def test_a_named_variable_must_be_set(monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(UsageError, match="--api-key-env MY_KEY: that variable is not set"):
        Client(Endpoint("http://host/v1", "m", api_key_env="MY_KEY"))


@pytest.mark.parametrize("key", ["sk-se cret", "'sk-secret'", "sk-secrét", "sk-se\ncret"])
def test_what_cannot_be_a_key_is_refused_and_not_repeated(monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UsageError, match="holds no API key") as caught:
        Client(Endpoint("http://host/v1", "m"))
    assert "cr" not in str(caught.value)


def test_the_clients_benchmark_gets_an_answer_to_everything_it_sends(tmp_path, capsys):
    assert bench.main(["--share", "0.01", "--out", str(tmp_path)]) == 0
    assert len(json.loads((tmp_path / "client.json").read_text())) == 3
    assert "client's processor" in capsys.readouterr().out
