"""The folder of a run while it is written: seal, lock, append, resume, finish.

Whatever ends the process, what is here afterwards is a run that the same command continues: see
`files` for how each file is written, and docs/faults.md for what was tried.
"""

from __future__ import annotations

import dataclasses
import io
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

from llava_eval.efforts import Effort
from llava_eval.errors import RunError, why
from llava_eval.files import (
    append,
    json_text,
    make_folder,
    open_to_change,
    remove_parts,
    write_json,
    write_text,
)
from llava_eval.locks import lock_file
from llava_eval.paths import kind_of, status_of
from llava_eval.records import Json, Prediction, Result, Score
from llava_eval.retries import read_bytes
from llava_eval.store import (
    PREDICTIONS,
    RESULT,
    RUN,
    SCORES,
    prediction_line,
    read_predictions,
    read_run,
    result_to_json,
    write_scores,
)

LOCK = "run.lock"
# Part of a number's identity, but no reason to refuse a folder: a model is known by its weights,
# however its path is spelt, and a newer scorer may score what was answered before.
FREE = ("model", "protocol")


class RunFolder:
    """One task of one model on disk.

    Attributes:
        path: The folder.
        run: Content of `run.json`.
        predictions: What was already answered, by id; grows with `append`.
        size: Bytes of `predictions.jsonl`.
        efforts: What this process did; `run.json` has that of all.
    """

    def __init__(self, path: Path, run: Json, lock: IO[str]) -> None:
        self.path = path
        self.run = run
        self.lock = lock
        self.predictions, self.size = _resume(path / PREDICTIONS)
        self.efforts: list[Effort] = []

    @classmethod
    def open(cls, path: Path, identity: Json, environment: Json) -> RunFolder:
        """Start a run in an empty folder, or continue the same run.

        Args:
            path: Made if it does not exist.
            identity: All that decides whether two runs may share a folder.
            environment: What is worth knowing besides: versions, device, batch size.

        Raises:
            RunError: The folder holds a different run (the differing field is named), or
                cannot be written.
        """
        make_folder(path)
        lock = lock_folder(path)
        try:
            remove_parts(path)
            return cls(path, _seal(path, identity, environment), lock)
        except BaseException:
            lock.close()
            raise

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        """Let another process have the folder."""
        self.lock.close()

    def append(self, predictions: Sequence[Prediction]) -> None:
        """Add predictions; they are on the disk when this returns.

        Raises:
            RunError: The folder can no longer be written, or somebody else has changed it. What
                was written before stays; what was removed is written again.
        """
        self.predictions.update({p.id: p for p in predictions})
        self._check_untouched()
        content = _lines(predictions)
        try:
            append(self.path / PREDICTIONS, content)
        except OSError as error:
            raise RunError(
                f"{self.path / PREDICTIONS}: cannot be written: {why(error)}; "
                "what was answered before is kept, the same command continues"
            ) from error
        self.size += len(content)

    def _check_untouched(self) -> None:
        """See that the answers on disk are those that were written there.

        Raises:
            RunError: They are not. If the file is gone, all answers are written again.
        """
        path = self.path / PREDICTIONS
        status = status_of(path, RunError)
        size = status.st_size if status else 0
        if size == self.size:
            return
        if status:
            raise RunError(
                f"{path}: was changed by somebody else while this run was writing it: "
                f"{size:,} bytes, must be {self.size:,}; see whether each line of it is whole, "
                "then the same command continues"
            )
        self._restore()
        raise RunError(
            f"{path}: was removed while this run was writing it; its {len(self.predictions):,} "
            "answers are written again, the same command continues"
        )

    def _restore(self) -> None:
        """Write what a removed folder held; the answers are all in memory."""
        make_folder(self.path)
        write_json(self.path / RUN, self.run)
        self._rewrite(self.predictions)

    def _rewrite(self, predictions: Mapping[str, Prediction]) -> None:
        content = _lines(predictions.values())
        write_text(self.path / PREDICTIONS, content.decode())
        self.size = len(content)

    def drop_failed(self) -> None:
        """Forget the failed predictions, so that they are asked for again."""
        kept = {i: p for i, p in self.predictions.items() if not p.failed}
        if len(kept) < len(self.predictions):
            self._rewrite(kept)
            self.predictions = kept

    def note_effort(self, effort: Effort) -> None:
        """Add to `run.json` what answering took this time.

        Raises:
            RunError: It cannot be written, or the answers that it is of are gone.
        """
        self._check_untouched()
        self.efforts.append(effort)
        efforts = [*self.run.get("efforts", []), dataclasses.asdict(effort)]
        self.run = {**self.run, "efforts": efforts}
        write_json(self.path / RUN, self.run)

    def finish(self, scores: Sequence[Score], result: Result) -> None:
        """Write the scores and the result.

        Raises:
            RunError: They cannot be written, or the answers that they are of are gone.
        """
        self._check_untouched()
        write_scores(self.path / SCORES, scores)
        write_json(self.path / RESULT, result_to_json(result))


def lock_folder(path: Path) -> IO[str]:
    """Keep a run folder to this process; the system lets go when the process ends, however.

    Returns:
        A file; closing it lets another process have the folder.

    Raises:
        RunError: Another process has it, it cannot be written, or the file system has no locks.
    """
    try:
        return _lock(path)
    except OSError as error:
        reason = f"{path / LOCK}: cannot be written: {why(error)}"
        raise RunError(f"{reason}; name a folder that can be") from error


def _lock(path: Path) -> IO[str]:
    file = io.TextIOWrapper(open_to_change(path / LOCK, "a+b"), encoding="utf-8")
    try:
        if not _locked(file, path):
            file.seek(0)
            owner = file.read().strip() or "another process"
            raise RunError(f"{path}: {owner} is writing there; wait for it, or give --out")
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
    except BaseException:
        file.close()
        raise
    return file


def _locked(file: IO[str], path: Path) -> bool:
    try:
        return lock_file(file)
    except OSError as error:
        raise RunError(
            f"{path}: the file system cannot keep it to one process ({why(error)}); give "
            "--out on another, such as a local disk"
        ) from error


def _seal(path: Path, identity: Json, environment: Json) -> Json:
    """Write what a run is; refuse another run, and note where the same one goes on."""
    if not kind_of(path / RUN, RunError):
        if kind_of(path / PREDICTIONS, RunError):
            raise RunError(
                f"{path}: has {PREDICTIONS} but no {RUN}, so whose answers they are is not "
                "known; give another folder with --out"
            )
        run: Json = {"identity": identity, "environment": environment}
        write_json(path / RUN, run)
        return run
    run = read_run(path)
    sealed = run["identity"]
    for name in sorted(sealed.keys() | identity.keys()):
        if name in FREE:
            continue
        if sealed.get(name) != identity.get(name):
            raise RunError(
                f"{path}: holds another run: {name} is {sealed.get(name)!r} there and "
                f"{identity.get(name)!r} now; give another folder with --out, or remove this one"
            )
    run = {**run, "resumed": [*run.get("resumed", []), environment]}
    write_json(path / RUN, run)
    return run


def _resume(path: Path) -> tuple[dict[str, Prediction], int]:
    """Read the answers of an interrupted run; a torn last line is cut off, to be redone.

    Returns:
        Answers by id, and the size of their file.
    """
    size = cut_torn_line(path)
    return (read_predictions(path) if size else {}), size


def check_changeable(path: Path) -> None:
    """Check that a file, where there is one, can be changed in its place.

    Raises:
        RunError: It cannot, is a link, or no file.
    """
    if not kind_of(path, RunError):
        return
    try:
        open_to_change(path, "r+b").close()
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {why(error)}") from error


def cut_torn_line(path: Path) -> int:
    """Cut off a last line without its end, as a process that was killed leaves it.

    Returns:
        Bytes that are left.

    Raises:
        RunError: It cannot be written, is a link, or no file.
    """
    if not kind_of(path, RunError):
        return 0
    try:
        with open_to_change(path, "r+b") as file:
            content = read_bytes(path)
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                file.truncate(whole)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {why(error)}") from error
    return whole


def _lines(predictions: Iterable[Prediction]) -> bytes:
    return "".join(json_text(prediction_line(p)) for p in predictions).encode()
