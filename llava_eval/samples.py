"""Rows to samples: where a task's data is found, and which column holds what."""

from __future__ import annotations

import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from sys import intern
from typing import Any

from llava_eval.adapters import ADAPTERS
from llava_eval.digests import digest_of_parts
from llava_eval.errors import DataError, UsageError, brief
from llava_eval.official import OFFICIAL
from llava_eval.paths import FILE, FOLDER, kind_of
from llava_eval.records import DataSet, ImageRef, Sample
from llava_eval.rows import Row, read_hub, read_rows
from llava_eval.scorers import SCORERS
from llava_eval.task import Columns, Hub, Task

MOST_OF_A_NAME = 300  # characters, in an error message

Groups = dict[tuple[str, ...], Mapping[str, str]]


def read_samples(task: Task, data: str) -> DataSet:
    """Read all samples of a task.

    Args:
        task: Its card names the sources and columns.
        data: "mini" (the demo's split), "hub", "card" (the file that the card names), a Hub
            repository "owner/name" with the card's columns, a local file or folder of rows in
            the Hub's schema, or LLaVA's official folder (the benchmark's own folder or any
            folder above it).

    Returns:
        The samples, with the version that their number belongs to.

    Raises:
        DataError: The data cannot be read, has duplicate ids or rows that cannot be scored,
            or a download of the Hub has a number of rows that no version has.
    """
    source, rows = _read_source(task, data)
    samples = tuple(_samples(task, rows))
    if not samples:
        raise DataError(f"{source}: no rows in it")
    known = source == "mini" or len(samples) in task.versions
    if source == "card" and not known:
        counts = " or ".join(f"{count:,}" for count in task.versions)
        raise DataError(f"{task.home / task.file}: {len(samples):,} rows, must be {counts}")
    if source.startswith("hub:") and not known:
        counts = " or ".join(f"{count:,}" for count in task.versions)
        raise DataError(
            f"{source}: {len(samples):,} rows, must be {counts}; "
            "an incomplete download? delete it from the Hub's cache and try again"
        )
    version = "mini" if source == "mini" else task.versions.get(len(samples), "unknown")
    return DataSet(source, version, known, samples, digest_of_samples(samples))


def draw(data: DataSet, limit: int, seed: int = 0) -> DataSet:
    """Draw whole clusters at random until the next one would exceed `limit` samples.

    At least one cluster is drawn. The order of the samples is kept.
    """
    clusters = shuffled_clusters(data, seed)
    sums = list(accumulate(map(len, clusters)))
    return taken(data, clusters[: max(1, sum(n <= limit for n in sums))])


def shuffled_clusters(data: DataSet, seed: int = 0) -> list[list[Sample]]:
    """Return the samples cluster by cluster, clusters in a random order.

    Args:
        data: A sample without a cluster is one by itself.
        seed: The same seed gives the same order, whatever the order of the rows.
    """
    clusters: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in data.samples:
        clusters[sample.cluster or sample.id].append(sample)
    names = sorted(clusters)
    random.Random(seed).shuffle(names)  # noqa: S311 (a draw, not a secret)
    return [clusters[name] for name in names]


def taken(data: DataSet, clusters: Sequence[Sequence[Sample]]) -> DataSet:
    """Return a data set of some of its clusters, its samples in their order."""
    kept = {sample.id for cluster in clusters for sample in cluster}
    if len(kept) == len(data.samples):
        return data
    samples = tuple(sample for sample in data.samples if sample.id in kept)
    return replace(
        data,
        samples=samples,
        digest=digest_of_samples(samples),
        drawn=True,
        full_n=len(data.samples),
        full_clusters=count_clusters(data.samples),
    )


def count_clusters(samples: Iterable[Sample]) -> int:
    """Return how many clusters samples come from; one without a cluster is one by itself."""
    return len({sample.cluster or sample.id for sample in samples})


def official_folder(task: Task, path: Path) -> Path | None:
    """Find LLaVA's folder of a task at or below a path, at any of the levels users name."""
    official = task.official
    if official is None:
        return None
    name, markers = official.folder, (official.marker, *official.other_markers)
    for folder in (path, path / name, path / "eval" / name, path / "playground/data/eval" / name):
        if any(kind_of(folder / marker, DataError) for marker in markers):
            return folder
    return None


def _read_source(task: Task, data: str) -> tuple[str, Iterable[Row]]:
    image = task.columns.image
    if data in ("mini", "card"):
        return data, read_rows(_beside_card(task, data), image)
    if data == "hub":
        return _read_first_repo(task)
    if not data:
        raise UsageError("--data: is empty; name a file, a folder, mini or hub")
    path = _existing(data)
    if path is None:
        return _read_elsewhere(task, data)
    if task.mini and path == (task.home / task.mini).resolve():
        return _read_source(task, "mini")
    readers = task.official.files if task.official else {}
    if path.name in readers and kind_of(path, DataError) == FILE:
        return str(path), OFFICIAL[readers[path.name]](path.parent)
    folder = official_folder(task, path)
    if folder is not None and task.official is not None:
        return str(path), OFFICIAL[task.official.reader](folder)
    if task.hub is not None and task.hub.images_config and _is_folder(path / task.hub.config):
        return str(path), _read_with_images(task.hub, image, path)
    return str(path), read_rows(path, image)


def _existing(data: str) -> Path | None:
    """Return the full path of a file or folder: a run names its source for whoever reads it."""
    path = Path(os.path.expanduser(data))
    return path.resolve() if kind_of(path, DataError) else None


def _is_folder(path: Path) -> bool:
    return kind_of(path, DataError) == FOLDER


def _read_elsewhere(task: Task, data: str) -> tuple[str, Iterable[Row]]:
    """Read what is no file: a data set of the Hub."""
    if data.count("/") == 1 and not data.startswith((".", "~", "/")):
        return f"hub:{data}", _read_repo(task, data)
    official = task.official
    raise DataError(
        f"{data[:MOST_OF_A_NAME]}: no such file or folder; give 'mini', 'hub', a Hub data set "
        "'owner/name', or a file of rows"
        + (f", or LLaVA's folder with {official.folder}/{official.marker}" if official else "")
    )


def _beside_card(task: Task, data: str) -> Path:
    name = task.mini if data == "mini" else task.file
    if not name:
        raise DataError(f"{task.name}: the card names no file for --data {data}; name another")
    return task.home / name


def default_source(task: Task, demo: bool) -> str:
    """Say where a task's rows come from when the user does not."""
    if demo and task.mini:
        return "mini"
    return "hub" if task.hub else "card"


def _read_first_repo(task: Task) -> tuple[str, Iterable[Row]]:
    """Read the first repository that can be loaded; if none can, say why for each."""
    if task.hub is None:
        raise DataError(f"{task.name}: the card names no data set of the Hub; name files by --data")
    reasons = []
    for repo in task.hub.repos:
        try:
            rows = _read_repo(task, repo)
        except DataError as error:
            reasons.append(str(error))
        else:
            return f"hub:{repo}", rows
    raise DataError(f"{task.name}: {'; '.join(reasons)}; or name local files with --data")


def _read_repo(task: Task, repo: str) -> Iterator[Row]:
    hub, image = task.hub, task.columns.image
    if hub is None:
        raise DataError(f"{task.name}: the card names no data set of the Hub")
    rows = read_hub(repo, hub.config, hub.split, image)
    if hub.images_config:
        pictures = read_hub(repo, hub.images_config, hub.images_split, image)
        return _join_images(hub, image, rows, pictures)
    return rows


def _read_with_images(hub: Hub, image: str, path: Path) -> Iterator[Row]:
    """Read a local copy of a Hub repository: a folder of rows beside one of images."""
    pictures = read_rows(path / hub.images_config, image)
    return _join_images(hub, image, read_rows(path / hub.config, image), pictures)


def _join_images(
    hub: Hub, image: str, rows: Iterable[Row], pictures: Iterable[Row]
) -> Iterator[Row]:
    by_id = {picture.require("id", str): _picture(picture, image) for picture in pictures}
    for row in rows:
        row[image] = by_id.get(row.require(hub.images_key, str))
        yield row


def _picture(row: Row, image: str) -> ImageRef | None:
    if image not in row:
        raise DataError(f"{row.where}: no {image!r} here; there is {', '.join(row)}")
    return row[image] if isinstance(row[image], ImageRef) else None


def _samples(task: Task, rows: Iterable[Row]) -> Iterator[Sample]:
    """Turn rows into samples, one at a time: a row is gone when the next one is read."""
    numbers: dict[str, int] = {}
    seen: Counter[str] = Counter()
    known: Groups = {}
    for place, row in enumerate(rows):
        row.place = place
        sample = _to_sample(task, row, known)
        if task.columns.id_repeats:  # the second and later samples of one id get a number
            seen[sample.id] += 1
            if seen[sample.id] > 1:
                sample = replace(sample, id=f"{sample.id}#{seen[sample.id]}")
        if sample.id in numbers:
            first = f"{row.source}:{numbers[sample.id]}"
            raise DataError(f"{row.where}: id {brief(sample.id)} stands at {first} too")
        numbers[sample.id] = row.number
        yield sample


def _to_sample(task: Task, row: Row, known: Groups) -> Sample:
    columns = task.columns
    ADAPTERS[task.adapter](row)
    sample = Sample(
        id=_text(row, columns.id) if columns.id else str(row.place),
        question=intern(row.require(columns.question, str)),
        images=_images(columns, row),
        choices=_texts(row, columns.choices),
        references=_texts(row, columns.references),
        hint=", ".join(_texts(row, columns.hint)),
        groups=_groups(row, columns.groups, SCORERS[task.scorer].groups, known),
        cluster=intern(_text(row, columns.cluster)),
        llava_id=_text(row, columns.llava_id),
    )
    try:
        SCORERS[task.scorer].check(sample)
    except DataError as error:
        raise DataError(f"{row.where}: {error}") from error
    return sample


def _images(columns: Columns, row: Row) -> tuple[ImageRef, ...]:
    if not columns.image:
        return ()
    image = row.get(columns.image)
    if image is None and not columns.image_required:
        return ()
    return (image if isinstance(image, ImageRef) else _no_image(columns.image, row.where),)


def _no_image(column: str, where: str) -> ImageRef:
    def read() -> bytes:
        raise DataError(f"{where}: no image in column {column!r}")

    return ImageRef(where, read)


def _text(row: Row, column: str) -> str:
    return str(row.require(column, str, int)) if column else ""


def _groups(
    row: Row, columns: Mapping[str, str], needed: Sequence[str], known: Groups
) -> Mapping[str, str]:
    """Return the same mapping for all samples of the same groups."""
    for name in needed:
        if columns[name] not in row:
            row.require(columns[name], str)
    values = tuple(_group(row, column) for column in columns.values())
    return known.setdefault(values, dict(zip(columns, values, strict=True)))


def _group(row: Row, column: str) -> str:
    # Most scorers only report by group: a file without the column can be scored all the same.
    return "" if row.get(column) is None else _text(row, column)


def _texts(row: Row, column: str) -> tuple[str, ...]:
    if not column:
        return ()
    value: Any = row.require(column, str, int, list)
    items = value if isinstance(value, list) else [value]
    for item in items:
        if type(item) not in (str, int):
            raise DataError(f"{row.where}: {column} holds {brief(item)}, must be text")
    return tuple(intern(str(item)) for item in items)


def digest_of_samples(samples: Sequence[Sample]) -> str:
    """Digest all that can move a score. Images are left out: scoring never reads them."""
    return digest_of_parts(
        [s.id, s.question, s.choices, s.references, s.hint, dict(s.groups), s.cluster]
        for s in sorted(samples, key=lambda sample: sample.id)
    )
