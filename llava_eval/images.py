"""Image bytes to the square RGB picture that the image processor gets."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from llava_eval.errors import DataError
from llava_eval.records import ImageRef

# Of the padded square: 1 x 60,000 pixels are a hundred bytes of PNG and 10 GB of square.
MOST_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485
# What data sets hold. Pillow reads some forty more: for EPS it starts Ghostscript, and the rarer a
# decoder is, the fewer have looked at it.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")


def open_image(ref: ImageRef) -> Image.Image:
    """Decode an image and convert it to RGB.

    Raises:
        DataError: The bytes cannot be read, are no image of a known format, are cut short, or
            would fill the memory: that is refused before a pixel is decoded.

    Departs: LLaVA's scripts for ScienceQA and MMBench pad before they convert to RGB, which
    gives palette and CMYK images another border; here every image is converted first, as
    LLaVA does for all other benchmarks.
    """
    with readable(ref.name):
        return opened(ref.read(), ref.name).convert("RGB")


def opened(content: bytes, name: str) -> Image.Image:
    """Open an image without decoding it; the caller is within `readable`.

    Args:
        content: The encoded bytes.
        name: What an error message calls it.

    Raises:
        DataError: It would fill the memory.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    if max(image.size) ** 2 > MOST_PIXELS:
        raise DataError(
            f"{name}: {image.width} x {image.height} pixels, padded to a square more "
            f"than the {MOST_PIXELS:,} that are opened"
        )
    return image


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Say that an image cannot be read, whatever reading and decoding stumble over.

    Raises:
        DataError: They did.
    """
    try:
        yield
    except DataError:
        raise
    except UnidentifiedImageError as error:
        known = ", ".join(FORMATS)
        raise DataError(f"{name}: not a readable image: none of {known}") from error
    except Exception as error:  # Pillow's decoders raise whatever they meet
        raise DataError(f"{name}: not a readable image: {error}") from error


def pad_to_square(image: Image.Image, fill: tuple[int, int, int]) -> Image.Image:
    """Put an image in the middle of a square of its longer side.

    Args:
        image: RGB, any size.
        fill: Colour of the border; (122, 116, 104) for CLIP's mean.

    Returns:
        The image itself if it is square already.

    Source: haotian-liu/LLaVA, `llava/mm_utils.py` (`expand2square`).
    """
    width, height = image.size
    if width == height:
        return image
    side = max(width, height)
    square = Image.new("RGB", (side, side), fill)
    square.paste(image, ((side - width) // 2, (side - height) // 2))
    return square
