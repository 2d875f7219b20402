"""Pictures of a report: each once, as a thumbnail on a sheet and, if wanted, in full."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from PIL import Image, ImageDraw

from llava_eval.engines.grouping import ahead, image_digests
from llava_eval.errors import DataError, RunError
from llava_eval.images import opened, readable
from llava_eval.records import ImageRef, Request, Sample
from llava_eval.tables import one_line

SIDE = 128  # pixels of a cell
COLUMNS = 10
PER_SHEET = COLUMNS * COLUMNS
# Of WebP's: at 0 it takes three quarters of the time of 4, and the sheet is as large.
EFFORT, QUALITY = 0, 75
THREADS = min(8, os.cpu_count() or 1)
# What a browser shows is kept as it is; anything else becomes PNG. MPO is what Pillow calls a JPEG
# with further pictures in it.
EXTENSIONS = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
GREY = (128, 128, 128)


@dataclass(frozen=True)
class Thumb:
    """One picture, made small.

    Attributes:
        picture: RGB, at most SIDE x SIDE; a cross if it cannot be read.
        size: Width and height of the picture itself; 0, 0 if it cannot be read.
        extension: Of a file in full; "" if there is none.
        full: The bytes of that file.
        reason: Why it cannot be read; "" if it can.
    """

    picture: Image.Image
    size: tuple[int, int]
    extension: str = ""
    full: bytes = b""
    reason: str = ""


@dataclass
class Pictures:
    """What is written of a task's pictures; grows while it is.

    Attributes:
        n: Number of distinct pictures.
        sheets: Names of the files of thumbnails.
        thumbs: Width and height of each thumbnail in its cell.
        sizes: The same of the pictures.
        files: Names of the pictures in full; "" for one that cannot be read.
        broken: Number of a picture and why it cannot be read.
        size: Of all these files, in bytes.
    """

    n: int
    sheets: list[str] = field(default_factory=list)
    thumbs: list[tuple[int, int]] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    broken: list[tuple[int, str]] = field(default_factory=list)
    size: int = 0


def distinct_images(samples: Iterable[Sample]) -> tuple[list[ImageRef], dict[int, int]]:
    """Find each picture once: by the key of its file, or else by its bytes.

    Args:
        samples: In the order in which their pictures are numbered.

    Returns:
        The pictures, and the number of every `ImageRef` by its `id`. One whose bytes cannot be
        read is a picture of its own, unless it has a key.
    """
    refs = {id(ref): ref for sample in samples for ref in sample.images}
    unnamed = [ref for ref in refs.values() if not ref.key]
    requests = [Request("", "", (ref,), 1) for ref in unnamed]
    digests = dict(zip(map(id, unnamed), image_digests(requests), strict=True))
    numbers: dict[object, int] = {}
    kept: list[ImageRef] = []
    found: dict[int, int] = {}
    for place, ref in refs.items():
        digest = digests.get(place, "")
        name = ref.key or (place if isinstance(digest, Exception) else ("bytes", digest))
        if name not in numbers:
            numbers[name] = len(kept)
            kept.append(ref)
        found[place] = numbers[name]
    return kept, found


def write_pictures(refs: Sequence[ImageRef], folder: Path, full: bool) -> Pictures:
    """Write sheets of thumbnails, and the pictures in full; a sheet at a time is in memory.

    Args:
        refs: The pictures, in the order of their numbers.
        folder: Where to; it need not exist.
        full: Whether to write the pictures themselves too.

    Raises:
        RunError: A file cannot be written.
    """
    written = Pictures(len(refs))
    if refs:
        _write(lambda: folder.mkdir(parents=True, exist_ok=True), folder)
    make = partial(make_thumb, full=full)
    thumbs = (thumb for _, thumb in ahead(make, refs, THREADS, 2 * THREADS))
    for sheet, cells in _sheets(thumbs, written, folder if full else None):
        lines = -(-cells // COLUMNS)
        path = folder / f"sheet-{len(written.sheets)}.webp"
        cut = sheet.crop((0, 0, min(cells, COLUMNS) * SIDE, lines * SIDE))
        _write(partial(_save, cut, path), path)
        written.sheets.append(path.name)
        written.size += path.stat().st_size
    return written


def _sheets(
    thumbs: Iterable[Thumb], written: Pictures, full: Path | None
) -> Iterator[tuple[Image.Image, int]]:
    """Yield each sheet when it is full, and at the end, with the number of its cells."""
    sheet, cells = _blank(), 0
    for thumb in thumbs:
        place = (cells % COLUMNS * SIDE, cells // COLUMNS * SIDE)
        sheet.paste(thumb.picture, place)
        _note(thumb, written, full)
        cells += 1
        if cells == PER_SHEET:
            yield sheet, cells
            sheet, cells = _blank(), 0
    if cells:
        yield sheet, cells


def _blank() -> Image.Image:
    return Image.new("RGB", (COLUMNS * SIDE, COLUMNS * SIDE), GREY)


def _note(thumb: Thumb, written: Pictures, full: Path | None) -> None:
    """Note a picture, and write it in full where that is wanted."""
    number = len(written.sizes)
    written.sizes.append(thumb.size)
    written.thumbs.append(thumb.picture.size)
    if thumb.reason:
        written.broken.append((number, thumb.reason))
    if full is None:
        return
    if not thumb.full:
        written.files.append("")
        return
    path = full / f"{number}.{thumb.extension}"
    _write(lambda: path.write_bytes(thumb.full), path)
    written.files.append(path.name)
    written.size += len(thumb.full)


def make_thumb(ref: ImageRef, full: bool) -> Thumb:
    """Make a picture small; one that cannot be read becomes a cross and a reason.

    It is decoded and turned as for the model: not by what a camera noted of its orientation.
    """
    try:
        with readable(ref.name):
            content = ref.read()
            image = opened(content, ref.name)
            size, kind = image.size, image.format or ""
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            small = image.convert("RGB")
            small.thumbnail((SIDE, SIDE))
            if not full:
                return Thumb(small, size)
            extension = EXTENSIONS.get(kind, "png")
            return Thumb(
                small, size, extension, content if kind in EXTENSIONS else _png(content, ref)
            )
    except DataError as error:
        return Thumb(_cross(), (0, 0), reason=one_line(str(error)))


def _png(content: bytes, ref: ImageRef) -> bytes:
    buffer = io.BytesIO()
    opened(content, ref.name).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def _cross() -> Image.Image:
    picture = Image.new("RGB", (SIDE, SIDE), GREY)
    draw = ImageDraw.Draw(picture)
    for ends in ((0, 0, SIDE, SIDE), (0, SIDE, SIDE, 0)):
        draw.line(ends, fill=(200, 200, 200), width=3)
    return picture


def _save(sheet: Image.Image, path: Path) -> None:
    sheet.save(path, "WEBP", quality=QUALITY, method=EFFORT)


def _write(action: Callable[[], object], path: Path) -> None:
    try:
        action()
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror or error}") from error
