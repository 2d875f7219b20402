"""Files and data sets to rows: parquet, jsonl, tsv, `save_to_disk` folders and the Hub.

A row is a dict that knows where it stands. Its image is an `ImageRef`: scoring reads no pixel,
and a run reads one image at a time. Rows come one at a time where their file allows it, since a
row takes several times the memory of the sample that is made of it.
"""

from __future__ import annotations

import base64
import io
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import IO, Any

from llava_eval.errors import DataError, brief, first_line, why
from llava_eval.hub import hub_reason
from llava_eval.json_text import json_or_none, parse_json
from llava_eval.paths import FOLDER, files_below, inside, kind_of
from llava_eval.records import MOST_COUNTED, ImageRef
from llava_eval.retries import open_patiently, read_bytes

ROWS_AT_ONCE = 1000  # taken out of an Arrow table
MOST_ROWS = 10_000_000  # a kilobyte of parquet can stand for billions; VQAv2 has 447,793
# What pyarrow, pandas and datasets raise for a broken file, besides their own.
BROKEN = (
    *(AttributeError, IndexError, KeyError, OverflowError),
    *(RecursionError, TypeError, ValueError),
)
SHARD = re.compile(r"(.+)-([0-9]{1,9})-of-([0-9]{1,9})\b")  # as `datasets` names its files
WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")


class Row(dict[str, Any]):
    """One row; `where` is the file and line that an error message names.

    Attributes:
        source: File or data set.
        number: Line or row there, for error messages.
        place: Among all rows of the task, from 0, whatever files they came from.
    """

    __slots__ = ("number", "place", "source")

    def __init__(self, content: dict[str, Any], source: str, number: int) -> None:
        super().__init__(content)
        self.source = source
        self.number = number
        self.place = number

    @property
    def where(self) -> str:
        """The place of this row: file and line, or data set and row."""
        return f"{self.source}:{self.number}"

    def require(self, name: str, *kinds: type) -> Any:
        """Return a field of one of these types.

        Raises:
            DataError: It is missing or of another type.
        """
        if name not in self:
            raise DataError(f"{self.where}: no {name!r} here; there is {', '.join(self)}")
        if type(self[name]) not in kinds:
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise DataError(f"{self.where}: {name} is {brief(self[name])}, must be {wanted}")
        return self[name]

    def count(self, name: str) -> int:
        """Return a number of things, such as tokens.

        Raises:
            DataError: It is missing, or no whole number from 0.
        """
        value: int = self.require(name, int)
        if not 0 <= value <= MOST_COUNTED:
            raise DataError(f"{self.where}: {name} is {brief(value)}, must be a count, 0 or more")
        return value

    def list_of(self, name: str) -> list[Any]:
        """Return a list; a tsv, which holds none, may have it as JSON text.

        Raises:
            DataError: It is missing or no list.
        """
        value = self.require(name, list, str)
        if isinstance(value, list):
            return value
        value = json_or_none(value)
        if not isinstance(value, list):
            raise DataError(f"{self.where}: {name} is {brief(self[name])}, must be list")
        return value


def is_whole_number(text: str) -> bool:
    """Whether a text is a number of one to eighteen digits, and nothing else.

    >>> is_whole_number("241"), is_whole_number("-1"), is_whole_number("٣")
    (True, False, False)
    """
    return WHOLE_NUMBER.fullmatch(text) is not None


def read_rows(path: Path, image: str) -> Iterator[Row]:
    """Read a local file or folder of rows, one row at a time.

    Args:
        path: A .parquet, .jsonl, .json (lines or one list) or .tsv file, a folder written by
            `save_to_disk`, or a folder of parquet files.
        image: Name of the image column, "" if there is none; its values become `ImageRef`.

    Raises:
        DataError: The file is missing or of an unknown kind; or later, it is broken.
    """
    kind = kind_of(path, DataError)
    if kind == FOLDER:
        return _read_folder(path, image)
    if not kind:
        raise DataError(f"{path}: no such file or folder")
    if path.suffix not in READERS:
        raise DataError(f"{path}: cannot read {path.suffix!r} files; known: {', '.join(READERS)}")
    return READERS[path.suffix](path, image)


def read_hub(repo: str, config: str, split: str, image: str) -> Iterator[Row]:
    """Read a split of a data set of the Hub, or of its local cache.

    Raises:
        DataError: The Hub does not have it or cannot be reached.
    """
    import datasets

    where = f"{repo} ({config or 'default'}, {split})"
    if kind_of(Path(repo), DataError):  # `datasets` would read it in the Hub's place
        raise DataError(
            f"{where}: a folder here is called {repo} too; give it with --data ./{repo}, or start "
            "from another folder"
        )
    try:
        data = datasets.load_dataset(repo, config or None, split=split)
    # RuntimeError: a script of the data set's own, which `datasets` no longer runs.
    except (OSError, RuntimeError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise DataError(f"{where}: cannot be loaded: {hub_reason(error)}") from error
    return _dataset_rows(data, where, image)


def read_jsonl(path: Path, torn: bool = False) -> list[Row]:
    """Read a file of one JSON object per line.

    Args:
        path: Of the file.
        torn: Leave out a last line without its end, as a process that was killed leaves it.

    Raises:
        DataError: The file cannot be read, or a line is not a JSON object.
    """
    if not torn:
        return list(jsonl_rows(path))
    with _told(path):
        content = read_bytes(path)
        text = content[: content.rfind(b"\n") + 1].decode("utf-8-sig")
    lines = enumerate(text.split("\n"), 1)
    return [_row(line, path, number) for number, line in lines if line.strip()]


def jsonl_rows(path: Path) -> Iterator[Row]:
    """Read a file of one JSON object per line, one line at a time.

    Raises:
        DataError: The file cannot be read, or a line is not a JSON object.
    """
    with _open_text(path) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _row(line, path, number)


def _row(line: str, path: Path, number: int) -> Row:
    return Row(_json_object(line, f"{path}:{number}"), str(path), number)


def read_text(path: Path) -> str:
    """Return the content of a UTF-8 file, with or without a byte order mark.

    Raises:
        DataError: It cannot be read.
    """
    with _open_text(path) as file:
        return file.read()


@contextmanager
def _open_text(path: Path) -> Iterator[IO[str]]:
    with _told(path), io.TextIOWrapper(open_patiently(path), encoding="utf-8-sig") as file:
        yield file


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what keeps a text from being read into an error that names the file."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason}); save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {why(error)}") from error
    except ValueError as error:  # a name that no file can have
        raise DataError(f"{path}: cannot be read: {error}") from error


@lru_cache(maxsize=1000)  # rows about one image mostly stand together
def file_image(folder: Path, name: str) -> ImageRef:
    """Name an image file, to be read when a model needs it.

    Args:
        folder: The folder that all images of the data set are in.
        name: As the data set gives it; a name that leads out of the folder is never opened.
    """
    path = str(folder / name)
    return ImageRef(path, partial(_read_inside, folder, name), key=path)


def _read_inside(folder: Path, name: str) -> bytes:
    path = inside(folder, name)
    try:
        return read_bytes(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {why(error)}") from error


def _read_folder(path: Path, image: str) -> Iterator[Row]:
    if kind_of(path / "state.json", DataError):
        import datasets

        _check_saved(path)
        with _whole(path, "a whole save_to_disk folder"):
            data = datasets.load_from_disk(str(path))
        return _dataset_rows(data, str(path), image)
    if kind_of(path / "dataset_dict.json", DataError):
        splits = ", ".join(sorted(state.parent.name for state in path.glob("*/state.json")))
        raise DataError(
            f"{path}: holds several splits; name the folder of one of {splits or 'them'}"
        )
    files = files_below(path, "*.parquet", DataError)
    if not files:
        raise DataError(f"{path}: neither parquet files nor a save_to_disk folder")
    _check_shards(path, files)
    return _shard_rows(path, files, image)


def _check_shards(path: Path, files: Iterable[Path]) -> None:
    """Check that all files of a set are here: each name says which of how many it is."""
    shards: dict[tuple[str, int], Counter[int]] = {}
    for file in files:
        if found := SHARD.match(file.name):
            name, number, count = found.groups()
            shards.setdefault((name, int(count)), Counter())[int(number)] += 1
    for (name, count), held in shards.items():
        wanted = count * max(held.values())  # several folders may have a set of one name
        if sum(held.values()) != wanted or max(held) - min(held) != count - 1:
            raise DataError(
                f"{path}: holds {sum(held.values()):,} of the {wanted:,} files "
                f"{name}-*-of-{count:05}; complete the folder, or name a file of it"
            )


def _check_saved(path: Path) -> None:
    """Check that the tables of a `save_to_disk` folder are in it."""
    state = parse_json(read_text(path / "state.json"), str(path / "state.json"))
    files = state.get("_data_files") if isinstance(state, dict) else None
    if not isinstance(files, list) or not files:
        raise DataError(f"{path / 'state.json'}: names no _data_files; is the folder complete?")
    for file in files:
        name = file.get("filename") if isinstance(file, dict) else None
        if not isinstance(name, str):
            raise DataError(f"{path / 'state.json'}: {brief(name)} is no name of a file")
        inside(path, name)


@contextmanager
def _whole(where: Path | str, kind: str) -> Iterator[None]:
    """Say that a file is broken, whatever its library stumbles over."""
    import pyarrow

    try:
        yield
    except (OSError, *BROKEN, pyarrow.ArrowException) as error:
        raise DataError(f"{where}: not {kind}: {first_line(error)}") from error


def _shard_rows(path: Path, files: Iterable[Path], image: str) -> Iterator[Row]:
    """Yield rows, numbered on from shard to shard: some data sets have no other id."""
    rows = (row for file in files for row in _read_parquet(file, image))
    for number, row in enumerate(rows):
        row.source, row.number = str(path), number
        yield row


def _read_parquet(path: Path, image: str) -> Iterator[Row]:
    import pyarrow.parquet as parquet

    with _whole(path, "a whole parquet file"):
        file = parquet.ParquetFile(open_patiently(path))
        _check_number(path, file.metadata)
        columns = file.schema_arrow.names
        images = _ParquetImages(path, image) if image in columns else None
        nulls = images.missing() if images else []
        names = [name for name in columns if name != image]
        batches = file.iter_batches(ROWS_AT_ONCE, columns=names)
        for number, values in enumerate(value for batch in batches for value in batch.to_pylist()):
            row = Row(values, str(path), number)
            if images:
                read = partial(images.read, number)
                row[image] = None if nulls[number] else ImageRef(row.where, read)
            yield row


def _check_number(path: Path, metadata: Any) -> None:
    """Check how many rows a parquet file promises: room is made for them before any is read."""
    rows = metadata.num_rows
    held = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    if rows > MOST_ROWS:
        raise DataError(f"{path}: {rows:,} rows; {MOST_ROWS:,} are read")
    if min(held, default=0) < 0 or sum(held) != rows:
        raise DataError(
            f"{path}: not a whole parquet file: {rows:,} rows, and {sum(held):,} in its parts"
        )


class _ParquetImages:
    """The image column of a parquet file; one row group is held at a time."""

    def __init__(self, path: Path, column: str) -> None:
        import pyarrow.parquet as parquet

        self.path, self.column = path, column
        self.file = parquet.ParquetFile(open_patiently(path))
        metadata = self.file.metadata
        self.sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        self.group = -1
        self.values: Any = None
        self.lock = threading.Lock()

    def missing(self) -> list[bool]:
        """Say for each row whether its image is null, without reading any image."""
        leaves = [self.file.schema.column(i).path for i in range(len(self.file.schema))]
        small = [p for p in leaves if p.startswith(f"{self.column}.") and p.endswith(".path")]
        nulls: list[bool] = self.file.read(columns=small or [self.column])[0].is_null().to_pylist()
        return nulls

    def read(self, number: int) -> bytes:
        """Return the bytes of the image in row `number` of the file."""
        group = 0
        while number >= self.sizes[group]:
            number -= self.sizes[group]
            group += 1
        with self.lock:
            if group != self.group:
                table = self.file.read_row_group(group, columns=[self.column])
                self.group, self.values = group, table.column(0)
            value = self.values[number].as_py()
        return _image_bytes(value, f"{self.path}: row {number}")


def _dataset_rows(data: Any, where: str, image: str) -> Iterator[Row]:
    """Rows of a `datasets.Dataset`; images stay in its memory-mapped files."""
    with _whole(where, "a whole data set"):
        yield from _table_rows(data, where, image)


def _table_rows(data: Any, where: str, image: str) -> Iterator[Row]:
    import datasets

    if image in data.column_names:
        encoded: Any = datasets.Image(decode=False)
        if isinstance(data.features[image], list | datasets.List | datasets.LargeList):
            encoded = datasets.List(encoded)
        pictures = data.select_columns([image]).cast_column(image, encoded)
    number = 0
    for table in data.with_format("arrow").iter(ROWS_AT_ONCE):
        nulls = table.column(image).is_null().to_pylist() if image in data.column_names else []
        names = [name for name in table.column_names if name != image]
        for place, values in enumerate(table.select(names).to_pylist()):
            row = Row(values, where, number)
            if nulls:
                read = partial(_dataset_image, pictures, number, image)
                row[image] = None if nulls[place] else ImageRef(row.where, read)
            yield row
            number += 1


def _dataset_image(pictures: Any, number: int, column: str) -> bytes:
    return _image_bytes(pictures[number][column], f"row {number}")


def _image_bytes(value: Any, where: str) -> bytes:
    """Take the bytes out of the Hub's image layout, {"bytes": ..., "path": ...}.

    Of a list of images (the frames of a video) the middle one is taken, as LLaVA's own frame
    extraction for SEED-Bench does.
    """
    if isinstance(value, list) and value:
        value = value[(len(value) - 1) // 2]
    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes):
        raise DataError(f"{where}: no image bytes here")
    return content


def _read_json_rows(path: Path, image: str) -> Iterator[Row]:
    folder = path.parent
    for row in _list_rows(path) if _is_list(path) else jsonl_rows(path):
        if isinstance(row.get(image), str):
            row[image] = file_image(folder, row[image])
        yield row


def _is_list(path: Path) -> bool:
    with _open_text(path) as file:
        while (character := file.read(1)).isspace():
            pass
    return character == "["


def _list_rows(path: Path) -> Iterator[Row]:
    for number, item in enumerate(parse_json(read_text(path), str(path))):
        if not isinstance(item, dict):
            raise DataError(f"{path}:{number}: {brief(item)} must be an object like {{...}}")
        yield Row(item, str(path), number)


def _read_tsv(path: Path, image: str) -> Iterator[Row]:
    import pandas

    with _whole(path, "a readable table"), open_patiently(path) as file:
        table = pandas.read_table(file, dtype=str, encoding="utf-8-sig")
    if not isinstance(table.index, pandas.RangeIndex):
        raise DataError(f"{path}: its rows have more cells than its header; a tab in a text?")
    table = table.astype(object).where(table.notna(), None)
    images: dict[str, ImageRef] = {}  # the rotations of a question repeat its picture
    for number, values in enumerate(table.itertuples(index=False, name=None), 2):
        row = Row(dict(zip(table.columns, values, strict=True)), str(path), number)
        if isinstance(content := row.get(image), str):
            if content not in images:
                read = partial(_base64_image, content, row.where)
                images[content] = ImageRef(row.where, read, key=row.where)
            row[image] = images[content]
        yield row


def _base64_image(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:  # as binascii.Error is
        raise DataError(f"{where}: the image is not base64: {error}") from error


READERS: dict[str, Callable[[Path, str], Iterator[Row]]] = {
    ".parquet": _read_parquet,
    ".jsonl": _read_json_rows,
    ".json": _read_json_rows,
    ".tsv": _read_tsv,
}


def _json_object(line: str, where: str) -> dict[str, Any]:
    value = parse_json(line, where, line=True)
    if not isinstance(value, dict):
        raise DataError(f"{where}: {line.strip()[:40]!r} must be an object like {{...}}")
    return value
