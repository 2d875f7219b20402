"""Disks that are full, read-only or slow to answer, files that vanish, a Hub that is away."""

import errno
import hashlib
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from llava_eval.engines.replay import ReplayEngine
from llava_eval.errors import RunError
from llava_eval.files import write_text
from llava_eval.hub import hub_fault
from llava_eval.records import Prediction
from llava_eval.resources import resource as project_file
from llava_eval.retries import file_fault, open_patiently, patiently, read_bytes
from llava_eval.run_folder import RunFolder
from llava_eval.runner import Nobody, run_task
from llava_eval.samples import read_samples
from llava_eval.store import read_predictions
from llava_eval.task import load_task
from tests.conftest import pope_row
from tests.needs import needs, without_rights

pytestmark = pytest.mark.slow

POPE = load_task("pope")
IDENTITY = {"task": "pope", "model": "m", "data": "d", "weights": "abc"}
ROWS = 1_200


@pytest.fixture
def rows(tmp_path, write_jsonl):
    """Write rows and right answers; return the command that replays them."""
    rows = [pope_row(number) for number in range(ROWS)]
    data = write_jsonl("rows.jsonl", rows)
    lines = [{"id": row["id"], "prediction": row["answer"].capitalize()} for row in rows]
    model = write_jsonl("answers.jsonl", lines)
    command = [sys.executable, "-m", "llava_eval", "run", "--tasks", "pope", "--engine", "replay"]
    return [*command, "--model", str(model), "--data", str(data)]


def call(command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def only_line(done):
    """Return the last line of an error, which must be the only one of ours."""
    assert "Traceback" not in done.stderr
    assert done.stderr.count("llava-eval: ") == 1
    return done.stderr.splitlines()[-1]


@pytest.fixture
def whole(tmp_path, rows):
    """Run once without a fault."""
    assert call([*rows, "--out", str(tmp_path / "whole")]).returncode == 0
    return tmp_path / "whole" / "pope"


def check_same(folder, whole):
    assert read_predictions(folder / "predictions.jsonl") == read_predictions(
        whole / "predictions.jsonl"
    )
    assert (folder / "result.json").read_bytes() == (whole / "result.json").read_bytes()
    assert not list(folder.glob("*.part"))


# Disks


def test_a_file_that_may_not_grow_ends_with_one_line_and_the_same_command_continues(
    tmp_path, rows, whole
):
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    folder = tmp_path / "out" / "pope"
    done = call([*rows, "--out", str(folder.parent)], preexec_fn=limited)
    assert done.returncode == 1
    assert only_line(done) == (
        f"llava-eval: {folder}/predictions.jsonl: cannot be written: File too large; "
        "what was answered before is kept, the same command continues"
    )
    kept = (folder / "predictions.jsonl").read_bytes()
    assert 9_900 < len(kept) <= 10_000
    done = call([*rows, "--out", str(folder.parent)])
    assert done.returncode == 0, done.stderr
    kept_lines = kept.count(b"\n")
    assert f"{kept_lines} of them answered before" in done.stdout
    check_same(folder, whole)


def mounted(script, *arguments):
    """Run a script that mounts, in a name space of its own; skip where that is not allowed."""
    needs("a mount name space", "unshare", "-rm", "true")
    return call(["unshare", "-rm", "sh", "-c", script, "sh", *map(str, arguments)])


@pytest.mark.parametrize(
    ("size", "where"),
    [("20k", "predictions.jsonl"), ("44k", "run.json"), ("72k", "scores.jsonl")],
)
def test_a_full_disk_loses_nothing_and_the_same_command_continues(
    tmp_path, rows, whole, size, where
):
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    script = """
        size=$1 disk=$2 kept=$3; shift 3
        mount -t tmpfs -o size=$size none "$disk" || exit 99
        "$@" --out "$disk"; echo "code $?"
        cp -r "$disk" "$kept.full"
        mount -o remount,size=10m "$disk"
        "$@" --out "$disk"; echo "code $?"
        cp -r "$disk" "$kept"
    """
    done = mounted(script, size, disk, kept, *rows)
    assert [line for line in done.stdout.splitlines() if line.startswith("code")] == [
        "code 1",
        "code 0",
    ]
    lines = [line for line in done.stderr.splitlines() if line.startswith("llava-eval")]
    assert len(lines) == 1
    message = f"{disk}/pope/{where}: cannot be written: No space left on device"
    assert lines[0].startswith(f"llava-eval: {message}")
    full = Path(f"{kept}.full") / "pope"
    before = (full / "predictions.jsonl").read_bytes().count(b"\n")
    assert before > 200
    assert not (full / "result.json").exists()
    assert not list(full.glob("*.part"))
    assert f"{before:,} of them answered before" in done.stdout
    check_same(kept / "pope", whole)


def test_a_read_only_folder_is_one_line(tmp_path, rows):
    disk = tmp_path / "disk"
    disk.mkdir()
    script = """
        mount -t tmpfs -o ro none "$1" || exit 99
        disk=$1; shift
        exec "$@" --out "$disk"
    """
    done = mounted(script, disk, *rows)
    assert done.returncode == 1
    assert only_line(done) == (
        f"llava-eval: {disk}/pope: cannot be written: Read-only file system; see --out"
    )


def test_a_disk_that_becomes_read_only_under_a_finished_run_says_so(tmp_path, rows):
    disk = tmp_path / "disk"
    disk.mkdir()
    script = """
        disk=$1; shift
        mount -t tmpfs none "$disk" || exit 99
        "$@" --out "$disk" >/dev/null 2>&1 || exit 98
        mount -o remount,ro "$disk"
        exec "$@" --out "$disk"
    """
    done = mounted(script, disk, *rows)
    assert done.returncode == 1
    assert only_line(done) == (
        f"llava-eval: {disk}/pope/run.lock: cannot be written: Read-only file system; "
        "name a folder that can be"
    )


def test_a_disk_that_is_full_only_when_asked_to_sync_is_noticed(tmp_path, monkeypatch):
    def fsync(descriptor):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with RunFolder.open(tmp_path, IDENTITY, {"source": "mini"}) as run:
        run.append([Prediction("1", "Yes")])
        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(RunError, match="cannot be written: Disk quota exceeded"):
            run.append([Prediction("2", "No")])
        with pytest.raises(RunError, match="cannot be written: Disk quota exceeded"):
            write_text(tmp_path / "table.md", "text")
    assert not (tmp_path / "table.md").exists()
    assert not list(tmp_path.glob("*.part"))


def test_a_device_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RunError, match="is no file; name another"):
        write_text(tmp_path / "pipe", "text")
    assert (tmp_path / "pipe").is_fifo()


# Files that vanish


class Meddling(Nobody):
    """Does something to the run folder once so many answers are there."""

    def __init__(self, after, meddle):
        self.left, self.meddle = after, meddle

    def advance(self, predictions):
        self.left -= len(predictions)
        if self.left == 0:
            self.meddle()


class Counting(ReplayEngine):
    """The replay engine, remembering what it was asked."""

    def generate(self, requests):
        self.asked = [request.id for request in requests]
        return super().generate(requests)


@pytest.fixture
def data(write_jsonl):
    return read_samples(POPE, str(write_jsonl("r.jsonl", [pope_row(i) for i in range(60)])))


def replay(data, folder, watcher=None):
    answers = {s.id: Prediction(s.id, s.references[0]) for s in data.samples}
    engine = Counting(answers, "answers")
    result = run_task(POPE, data, engine, "replay", folder, False, watcher or Nobody())
    return result, engine.asked


@pytest.mark.parametrize(
    ("after", "removed", "held"),
    [(20, "predictions.jsonl", 21), (20, "", 21), (60, "predictions.jsonl", 60), (60, "", 60)],
)
def test_what_is_removed_under_a_run_is_written_again_and_said(
    tmp_path, data, after, removed, held
):
    folder = tmp_path / "run"

    def meddle():
        (folder / removed).unlink() if removed else shutil.rmtree(folder)

    with pytest.raises(RunError) as error:
        replay(data, folder, Meddling(after, meddle))
    assert str(error.value) == (
        f"{folder}/predictions.jsonl: was removed while this run was writing it; its {held} "
        "answers are written again, the same command continues"
    )
    assert not (folder / "result.json").exists()
    assert list(read_predictions(folder / "predictions.jsonl")) == [
        s.id for s in data.samples[:held]
    ]
    result, asked = replay(data, folder)
    assert asked == [s.id for s in data.samples[held:]]
    assert result == replay(data, tmp_path / "whole")[0]


def test_a_run_file_that_is_removed_under_a_run_is_written_again(tmp_path, data):
    folder = tmp_path / "run"
    replay(data, folder, Meddling(20, (folder / "run.json").unlink))
    assert replay(data, folder)[1] == []


@pytest.mark.parametrize("after", [20, 60])
def test_a_file_in_the_place_of_the_run_folder_is_one_error(tmp_path, data, after):
    folder = tmp_path / "run"

    def meddle():
        shutil.rmtree(folder)
        folder.write_text("somebody else's")

    with pytest.raises(RunError, match=f"^{folder}: cannot be written: File exists; see --out"):
        replay(data, folder, Meddling(after, meddle))
    assert folder.read_text() == "somebody else's"


@pytest.mark.parametrize("spoil", ["read-only folder", "read-only lock", "folder for a lock"])
@pytest.mark.parametrize("command", ["run", "judge"])
def test_a_folder_that_cannot_be_locked_is_one_line(tmp_path, write_jsonl, spoil, command):
    rows = read_samples(load_task("mmvet"), "mini").samples
    answers = write_jsonl("answers.jsonl", [{"id": row.id, "text": "Yes"} for row in rows])
    ours = [sys.executable, "-m", "llava_eval"]
    run = [*ours, "run", "--tasks", "mmvet", "--engine", "replay", "--data", "mini"]
    run += ["--model", str(answers), "--out", str(tmp_path / "out")]
    assert call(run).returncode == 0
    folder = tmp_path / "out" / "mmvet"
    if spoil == "read-only lock":
        (folder / "run.lock").chmod(0o444)
    else:
        (folder / "run.lock").unlink()
    if spoil == "folder for a lock":
        (folder / "run.lock").mkdir()
    if spoil == "read-only folder":
        folder.chmod(0o555)
    judge = [*ours, "judge", str(folder), "--judge-model", "m"]
    judge += ["--judge-base-url", "http://127.0.0.1:9/v1"]
    done = call(without_rights(*(run if command == "run" else judge)))
    folder.chmod(0o755)
    assert done.returncode == 1
    line = only_line(done)
    assert line.startswith(f"llava-eval: {folder}/run.lock: cannot be written: ")
    assert line.endswith("; name a folder that can be")


def test_what_somebody_else_writes_into_the_answers_is_neither_kept_nor_lost(tmp_path, data):
    folder = tmp_path / "run"
    path = folder / "predictions.jsonl"

    def meddle():
        with path.open("a") as file:
            file.write('{"id": "59", "text": "Yes"}\n')

    with pytest.raises(RunError, match=r"was changed by somebody else .* must be "):
        replay(data, folder, Meddling(20, meddle))
    assert len(path.read_text().splitlines()) == 21
    assert not (folder / "result.json").exists()


# Two processes

HOLDER = """
import sys
from pathlib import Path
from llava_eval.run_folder import RunFolder
identity = {"task": "pope", "model": "m", "data": "d"}
with RunFolder.open(Path(sys.argv[1]), identity, {"source": "mini"}):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_by_name_until_the_first_is_killed(tmp_path, rows):
    folder, pipe = tmp_path / "out" / "pope", subprocess.PIPE
    holder = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(holder, stdin=pipe, stdout=pipe, text=True) as first:
        assert first.stdout.readline() == "held\n"
        done = call([*rows, "--out", str(folder.parent)])
        assert done.returncode == 1
        assert only_line(done) == (
            f"llava-eval: {folder}: process {first.pid} on {platform.node()} is writing there; "
            "wait for it, or give --out"
        )
        first.send_signal(signal.SIGKILL)
    assert f"process {first.pid} on" in (folder / "run.lock").read_text()
    (folder / "run.json").unlink()  # of another run
    assert call([*rows, "--out", str(folder.parent)]).returncode == 0
    assert f"process {first.pid} on" not in (folder / "run.lock").read_text()


def test_a_file_system_without_locks_is_told_from_a_lock_that_is_held(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def flock(file, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(RunError, match=r"cannot keep it to one process \(No locks available\)"):
        RunFolder.open(tmp_path, IDENTITY, {"source": "mini"})


# Reads that fail for a while

# Fails so many reads of files whose path has a word in it, after so many that go well.
FAULTS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
ssize_t read(int file, void *to, size_t size) {
    static ssize_t (*real)(int, void *, size_t);
    static int left = -1, after;
    char link[64], path[4096];
    if (!real) real = dlsym(RTLD_NEXT, "read");
    if (left < 0) left = atoi(getenv("FAULTS")), after = atoi(getenv("AFTER"));
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0 && left > 0) {
        path[length] = 0;
        if (strstr(path, getenv("FAULTY")) && after-- <= 0) {
            left--;
            errno = atoi(getenv("FAULT"));
            return -1;
        }
    }
    return real(file, to, size);
}
"""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """Compile a library that makes reads fail."""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs Linux")
    needs("a C compiler", "cc", "--version")
    folder = tmp_path_factory.mktemp("faults")
    (folder / "faults.c").write_text(FAULTS)
    target = folder / "faults.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", target, folder / "faults.c", "-ldl"], check=True
    )
    return target


def with_faults(library, word, times, fault, after=0):
    return os.environ | {
        "LD_PRELOAD": str(library),
        "FAULTY": word,
        "FAULTS": str(times),
        "AFTER": str(after),
        "FAULT": str(fault),
    }


def to_parquet(path):
    import pyarrow
    import pyarrow.parquet

    rows = [json.loads(line) for line in path.read_text().splitlines()]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path.with_suffix(".parquet"))


def to_tsv(path):
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    lines = ["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]
    path.with_suffix(".tsv").write_text("\n".join(lines))


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "tsv"])
@pytest.mark.parametrize("fault", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
def test_reads_that_fail_three_times_are_tried_again(tmp_path, rows, faulty, suffix, fault):
    path = tmp_path / "rows.jsonl"
    {"parquet": to_parquet, "tsv": to_tsv}.get(suffix, lambda _: None)(path)
    data = str(path.with_suffix(f".{suffix}"))
    command = [sys.executable, "-m", "llava_eval", "score", "pope", "--data", data]
    command += ["--predictions", str(tmp_path / "answers.jsonl")]
    done = call(command, env=with_faults(faulty, f"rows.{suffix}", 3, fault))
    assert done.returncode == 0, done.stderr
    assert f"{ROWS:,} samples: 0 unparsed, 0 failed, 0 missing" in done.stdout


def test_a_card_that_fails_to_be_read_is_tried_again(tmp_path, faulty):
    card = tmp_path / "own.yaml"
    card.write_text(project_file("tasks/pope.yaml").read_text().replace("name: pope", "name: own"))
    command = [sys.executable, "-m", "llava_eval", "tasks", "--tasks-dir", str(tmp_path)]
    done = call(command, env=with_faults(faulty, "own.yaml", 3, errno.ESTALE))
    assert done.returncode == 0, done.stderr
    assert "\nown " in done.stdout
    done = call(command, env=with_faults(faulty, "own.yaml", 1_000, errno.ESTALE))
    assert only_line(done) == f"llava-eval: {card}: cannot be read: Stale file handle"


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "processor_config.json"])
@pytest.mark.parametrize(("times", "code"), [(1, 0), (1_000, 1)])
def test_a_checkpoint_that_fails_to_be_read_while_it_is_loaded(tmp_path, faulty, name, times, code):
    model = tmp_path / "model"
    shutil.copytree(project_file("llava_eval/demo/checkpoint"), model)
    before = 2 * (model / name).stat().st_size // (1 << 16) + 3  # it is looked at before
    command = [sys.executable, "-m", "llava_eval", "run", "--tasks", "pope", "--data", "mini"]
    command += ["--limit", "4", "--model", str(model), "--out", str(tmp_path / "out")]
    environment = with_faults(faulty, f"model/{name}", times, errno.ESTALE, after=before)
    done = call(command, env=environment)
    assert done.returncode == code, done.stderr
    if code:
        told = f"llava-eval: {model}/{name}: cannot be read: Stale file handle"
        assert only_line(done).startswith(told)


def test_reads_that_go_on_failing_end_with_the_name_of_the_file(tmp_path, rows, faulty):
    started = time.monotonic()
    done = call(
        [*rows, "--out", str(tmp_path / "out")],
        env=with_faults(faulty, "rows.jsonl", 1_000, errno.ESTALE),
    )
    assert done.returncode == 1
    assert only_line(done).startswith(f"llava-eval: {tmp_path}/rows.jsonl: cannot be read: Stale")
    assert time.monotonic() - started > 3.5  # it has waited


def test_a_file_is_read_on_where_a_fault_has_cut_it_off(tmp_path, faulty):
    content = os.urandom(300_000)
    (tmp_path / "large.bin").write_bytes(content)
    script = (
        "import sys, hashlib; from pathlib import Path; "
        "from llava_eval.retries import open_patiently; "
        "file = open_patiently(Path(sys.argv[1])); content = file.read(100_000) + file.read(); "
        "print(hashlib.sha256(content).hexdigest())"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "large.bin")]
    done = call(command, env=with_faults(faulty, "large.bin", 2, errno.ESTALE, after=1))
    assert done.stdout.strip() == hashlib.sha256(content).hexdigest(), done.stderr


def test_what_no_retry_can_mend_is_not_tried_again(tmp_path):
    asked = []

    def read():
        asked.append(1)
        return (tmp_path / "no").read_bytes()

    with pytest.raises(FileNotFoundError):
        patiently(read, file_fault)
    assert len(asked) == 1


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux")
def test_a_real_input_output_error_is_a_fault_that_may_pass():
    with pytest.raises(OSError, match="Input/output error") as error:
        Path("/proc/self/mem").read_bytes()  # nothing is mapped at 0
    assert file_fault(error.value)


def test_patient_readers_read_what_is_there(tmp_path):
    (tmp_path / "file").write_bytes(b"0123456789" * 20_000)
    with open_patiently(tmp_path / "file") as file:
        assert file.seek(-5, os.SEEK_END) == 199_995
        assert file.read() == b"56789"
    assert read_bytes(tmp_path / "file") == b"0123456789" * 20_000


# The Hub


class FlakyHub(BaseHTTPRequestHandler):
    """A Hub with one model, the demo, that cannot answer the first requests."""

    folder = project_file("llava_eval/demo/checkpoint")
    commit = "c" * 40
    away = 0
    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.answer(body=True)

    def do_HEAD(self):
        self.answer(body=False)

    def answer(self, body):
        if self.path != "/api/agent-harnesses":  # huggingface_hub's own affair
            self.asked.append(self.path)
        if len(self.asked) <= self.away:
            return self.reply(503, b"away", {}, body)
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/some/demo/revision/"):
            return self.as_json(
                {
                    "id": "some/demo",
                    "modelId": "some/demo",
                    "sha": self.commit,
                    "siblings": [],
                    "tags": [],
                    "downloads": 0,
                },
                body,
            )
        if path.startswith("/api/models/some/demo/tree/"):
            return self.as_json([self.entry(file) for file in self.files()], body)
        name = path.rpartition("/")[2]
        if name in [file.name for file in self.files()]:
            content = (self.folder / name).read_bytes()
            etag = hashlib.sha1(content).hexdigest()
            headers = {"ETag": f'"{etag}"', "X-Repo-Commit": self.commit}
            return self.reply(200, content, headers, body)
        return self.reply(404, b"", {"X-Error-Code": "EntryNotFound"}, body)

    def files(self):
        return [path for path in self.folder.iterdir() if path.is_file()]

    def entry(self, file):
        oid = hashlib.sha1(file.read_bytes()).hexdigest()
        return {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": oid}

    def as_json(self, content, body):
        headers = {"Content-Type": "application/json", "X-Repo-Commit": self.commit}
        self.reply(200, json.dumps(content).encode(), headers, body)

    def reply(self, code, content, headers, body):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def hub(request):
    handler = type("Handler", (FlakyHub,), {"away": request.param, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()


FIND = """
import sys
from llava_eval.checkpoint import find_checkpoint
from llava_eval.errors import ModelError
try:
    print(find_checkpoint("some/demo").digest, find_checkpoint("demo").digest)
except ModelError as error:
    print(error)
"""


@pytest.mark.parametrize("hub", [0, 3], indirect=True)
def test_a_hub_that_is_away_for_three_requests_gives_the_model_all_the_same(tmp_path, hub):
    address, handler = hub
    environment = os.environ | {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path)}
    done = call([sys.executable, "-c", FIND], env=environment)
    fetched, _, own = done.stdout.strip().splitlines()[-1].partition(" ")
    assert fetched == own, done.stdout + done.stderr
    assert len(handler.asked) > handler.away


@pytest.mark.parametrize("hub", [1_000], indirect=True)
def test_a_hub_that_stays_away_is_given_up_with_the_name_of_the_model(tmp_path, hub):
    address, handler = hub
    environment = os.environ | {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path)}
    done = call([sys.executable, "-c", FIND], env=environment)
    line = done.stdout.strip().splitlines()[-1]
    assert line.startswith("some/demo: cannot be had from the Hub: the Hub cannot be reached (")
    assert line.endswith("try again later, or give a local folder")
    assert len(handler.asked) == 5


# Runs our command, and reports every name that is looked up and every address that is called.
WATCHED = """
import sys
def watch(event, arguments):
    if event in ("socket.getaddrinfo", "socket.connect", "socket.sendto"):
        print("asked:", event, arguments[:2], file=sys.stderr)
sys.addaudithook(watch)
from llava_eval.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("hub", [0], indirect=True)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "some/demo", "--data", "mini"], "some/demo: cannot be had from the Hub"),
        (["--model", "demo", "--data", "some/rows"], "some/rows (default, test): cannot be loaded"),
        (["--model", "demo", "--data", "hub"], "lmms-lab/POPE (default, test): cannot be loaded"),
    ],
)
def test_switched_off_the_hub_is_never_asked_nor_anybody_else(tmp_path, hub, arguments, words):
    address, handler = hub
    places = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-c", WATCHED, "run", "--tasks", "pope", *arguments]
    command += ["--out", str(tmp_path / "out")]
    done = call(command, env=os.environ | places | {"HF_HUB_OFFLINE": "1"})
    assert done.returncode == 1
    assert "asked:" not in done.stderr  # so nothing is waited for either
    line = only_line(done)
    assert words in line
    assert "it is not in the local cache, and HF_HUB_OFFLINE is set; unset it once" in line
    assert handler.asked == []


@pytest.mark.parametrize("hub", [0], indirect=True)
def test_whoever_is_asked_is_noticed(tmp_path, hub):
    address, handler = hub
    places = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", WATCHED, "run", "--tasks", "pope", "--model", "demo"]
    done = call([*command, "--data", "hub"], env=os.environ | places, cwd=tmp_path)
    assert done.returncode == 1
    assert "asked: socket.connect" in done.stderr
    assert any("lmms-lab/POPE" in path for path in handler.asked)


@pytest.mark.parametrize(
    ("code", "passes"),
    [(408, True), (429, True), (500, True), (503, True), (401, False), (403, False), (404, False)],
)
def test_what_the_hub_says_is_tried_again_where_that_may_help(code, passes):
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    response = httpx2.Response(code, request=httpx2.Request("GET", "http://127.0.0.1:9"))
    assert hub_fault(HfHubHTTPError("no", response=response)) == passes
