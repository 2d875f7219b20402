"""A sample that fails is recorded with its reason; an odd one is answered as the original would."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from llava_eval.engines import EngineSettings, load_engine
from llava_eval.images import open_image
from llava_eval.records import ImageRef, Request
from tests.test_hf import picture
from tests.tiny import make_checkpoint

NOISE = Image.frombytes("RGB", (48, 32), np.random.default_rng(0).bytes(48 * 32 * 3))


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return load_engine(EngineSettings(str(make_checkpoint(tmp_path_factory.mktemp("odd")))))


def encoded(image, kind="PNG", **settings):
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def png_header(width, height):
    """A PNG that promises so many pixels and holds none."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    whole = struct.pack(">I", len(header)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + whole + b"\x00\x00\x00\x00IEND\xaeB`\x82"


def ask(engine, content, share=True, text="What?"):
    """Ask about this picture, between two others; what became of it, and of them."""
    engine.settings = EngineSettings(engine.checkpoint.name, share=share, batch_size=3)
    odd = ImageRef("odd", lambda: content)
    asked = [
        Request("before", "What?", (picture(1),), 3),
        Request("odd", text, (odd,), 3),
        Request("after", "What?", (picture(2),), 3),
    ]
    found = {p.id: p for batch in engine.generate(asked) for p in batch}
    assert set(found) == {"before", "odd", "after"}
    return found["odd"], found["before"], found["after"]


FAILING = {
    "no bytes": (b"", "not a readable image"),
    "no image": (b"<html>404 not found</html>", "not a readable image"),
    "a truncated PNG": (encoded(NOISE)[:200], "not a readable image"),
    "a truncated JPEG": (encoded(NOISE, "JPEG")[:300], "not a readable image"),
    "a corrupt PNG": (encoded(NOISE).replace(b"IDAT", b"JUNK"), "not a readable image"),
    "400 million pixels": (png_header(20_000, 20_000), "400000000 pixels"),
    "a strip of 60,000 pixels": (png_header(60_000, 1), "60000 x 1 pixels"),
}


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("name", FAILING)
def test_a_picture_that_cannot_be_read_fails_alone_and_says_why(engine, name, share):
    content, reason = FAILING[name]
    odd, *others = ask(engine, content, share)
    assert odd.failed
    assert odd.text == ""
    assert reason in odd.error
    assert "odd" in odd.error
    assert not any(other.failed for other in others)


def turned(image):
    """Ask the viewer to turn the picture, as cameras do."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image, "JPEG", exif=exif, quality=95)


GREY_16 = Image.fromarray(np.arange(48 * 32, dtype=np.uint16).reshape(32, 48) * 40)
ANSWERED = {
    "a palette": encoded(NOISE.quantize(16)),
    "a palette with a transparent colour": encoded(NOISE.quantize(16), transparency=3),
    "an alpha channel": encoded(NOISE.convert("RGBA")),
    "grey with alpha": encoded(NOISE.convert("LA")),
    "grey": encoded(NOISE.convert("L")),
    "one bit": encoded(NOISE.convert("1")),
    "16 bits of grey": encoded(GREY_16),
    "CMYK": encoded(NOISE.convert("CMYK"), "JPEG"),
    "an animation": encoded(
        NOISE.quantize(16), "GIF", save_all=True, append_images=[NOISE.rotate(90).quantize(16)]
    ),
    "a turned photograph": turned(NOISE),
    "a single pixel": encoded(NOISE.crop((0, 0, 1, 1))),
    "a WebP": encoded(NOISE, "WEBP"),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_an_odd_picture_is_answered_and_its_pixels_are_those_of_the_original(engine, name):
    """The original opens, converts to RGB and pads: the first frame, not turned by EXIF.

    Source: haotian-liu/LLaVA, `llava/eval/model_vqa_loader.py`.
    """
    content = ANSWERED[name]
    odd, *others = ask(engine, content)
    assert not odd.failed, odd.error
    assert not any(other.failed for other in others)
    original = Image.open(io.BytesIO(content)).convert("RGB")
    assert open_image(ImageRef("odd", lambda: content)).tobytes() == original.tobytes()


def test_a_text_beyond_the_context_fails_alone_and_says_by_how_much(engine):
    odd, *others = ask(engine, encoded(NOISE), text="so " * 3000)
    assert odd.failed
    assert "do not fit into the model's context of 2048" in odd.error
    assert not any(other.failed for other in others)
