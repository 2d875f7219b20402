"""Ways to break the engine, each of which the demo must show.

`python -m tests.breaks` prints what each does to the score and to the answers.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch

from llava_eval.engines import EngineSettings, load_engine
from llava_eval.engines import hf as hf_module
from llava_eval.families import VICUNA_SYSTEM
from llava_eval.prompts import build_request
from llava_eval.records import DataSet, Prediction, Request
from llava_eval.samples import read_samples
from llava_eval.scoring import score_predictions
from llava_eval.task import load_task

POPE = load_task("pope")
Break = Callable[[Any], AbstractContextManager[Any]]


@contextmanager
def right_padding(engine: Any) -> Any:
    """Pad on the right, with sharing off and in batches of mixed lengths.

    With sharing on there is nothing to pad; sorted batches hardly need padding.
    """

    def right_pad(rows: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
        width = max(map(len, rows))
        ids = [row + [pad] * (width - len(row)) for row in rows]
        mask = [[1] * len(row) + [0] * (width - len(row)) for row in rows]
        return torch.tensor(ids), torch.tensor(mask)

    def mixed(lengths: list[int], size: int) -> list[list[int]]:
        order = random.Random(0).sample(range(len(lengths)), len(lengths))
        return [order[start : start + size] for start in range(0, len(order), size)]

    alone = dataclasses.replace(engine.settings, share=False)
    with (
        mock.patch.object(engine, "settings", alone),
        mock.patch.object(hf_module, "left_pad", right_pad),
        mock.patch.object(hf_module, "plan_batches", mixed),
    ):
        yield


def template(change: Callable[[str], str]) -> Break:
    def apply(engine: Any) -> AbstractContextManager[Any]:
        family = dataclasses.replace(engine.family, with_image=change(engine.family.with_image))
        return mock.patch.object(engine, "family", family)

    return apply


def centre_crop(engine: Any) -> AbstractContextManager[Any]:
    family = dataclasses.replace(engine.family, pad_to_square=False)
    return mock.patch.object(engine, "family", family)


def pixels(change: Callable[[torch.Tensor], torch.Tensor]) -> Break:
    def apply(engine: Any) -> AbstractContextManager[Any]:
        whole = engine.pixels
        return mock.patch.object(engine, "pixels", lambda image: change(whole(image)))

    return apply


@contextmanager
def config(engine: Any, **values: Any) -> Any:
    before = {name: getattr(engine.model.config, name) for name in values}
    for name, value in values.items():
        setattr(engine.model.config, name, value)
    yield
    for name, value in before.items():
        setattr(engine.model.config, name, value)


def last_layer(engine: Any) -> AbstractContextManager[Any]:
    return config(engine, vision_feature_layer=-1)


def earlier_layer(engine: Any) -> AbstractContextManager[Any]:
    return config(engine, vision_feature_layer=-3)


def class_token_kept(engine: Any) -> AbstractContextManager[Any]:
    return config(engine, vision_feature_select_strategy="full")


@contextmanager
def double_bos(engine: Any) -> Any:
    whole = engine.tokenize

    def doubled(texts: list[str], has_image: bool) -> list[list[int]]:
        return [[1, *ids] for ids in whole(texts, has_image)]

    with mock.patch.object(engine, "tokenize", doubled) as patched:
        yield patched


CHATML = "<|im_start|>user\n<image>\n{text}<|im_end|><|im_start|>assistant\n"

BREAKS: dict[str, Break] = {
    "nothing": lambda engine: nullcontext(),
    "padding on the right": right_padding,
    "ChatML template": template(lambda _: CHATML),
    "no system text (the Hub's chat template)": template(
        lambda text: text.removeprefix(VICUNA_SYSTEM + " ")
    ),
    '"curious human" in the system text': template(
        lambda text: text.replace("curious user", "curious human").replace("user's", "human's")
    ),
    "space after ASSISTANT:": template(lambda text: text + " "),
    "no newline after the image": template(lambda text: text.replace("<image>\n", "<image>")),
    "image after the text": template(
        lambda text: text.replace("<image>\n", "").replace("{text}", "{text}\n<image>")
    ),
    "double BOS": double_bos,
    "blank image": pixels(torch.zeros_like),
    "centre crop instead of padding": centre_crop,
    "channels swapped": pixels(lambda values: values.flip(1)),
    "image mirrored": pixels(lambda values: values.flip(3)),
    "last vision layer": last_layer,
    "vision layer before": earlier_layer,
    "class token kept": class_token_kept,
}


def shuffled_images(data: DataSet) -> DataSet:
    """Give every question the picture of another scene."""
    samples = data.samples
    half = len(samples) // 2
    moved = [
        dataclasses.replace(sample, images=other.images)
        for sample, other in zip(samples, samples[half:] + samples[:half], strict=True)
    ]
    return dataclasses.replace(data, samples=tuple(moved))


def answers(engine: Any, data: DataSet) -> dict[str, Prediction]:
    requests = [build_request(POPE, sample) for sample in data.samples]
    return {p.id: p for batch in engine.generate(requests) for p in batch}


def accuracy(data: DataSet, predictions: dict[str, Prediction]) -> float | None:
    """Percent right, or None where every answer failed."""
    if all(prediction.failed for prediction in predictions.values()):
        return None
    return score_predictions(POPE, data, predictions)[1].metrics["accuracy"].value


def agreement(some: dict[str, Prediction], others: dict[str, Prediction]) -> float:
    """Percent of answers that are the same, word for word."""
    same = [some[key].text == others[key].text and not some[key].failed for key in some]
    return 100 * sum(same) / len(same)


def first_logits(engine: Any, request: Request) -> torch.Tensor:
    """Logits of the first answer token: shape (vocabulary,)."""
    encoded = engine.encode(request)
    with torch.inference_mode():
        output = engine.model(input_ids=torch.tensor([encoded.ids]), pixel_values=encoded.pixels)
    return output.logits[0, -1]


def main() -> None:
    engine = load_engine(EngineSettings("demo"))
    data = read_samples(POPE, "mini")
    whole = answers(engine, data)
    logits = sixteen_logits(engine, data)
    print("| what is broken | accuracy | answers unchanged | largest change of a logit |")
    print("|---|---:|---:|---:|")
    for name, broken in BREAKS.items():
        with broken(engine):
            found = answers(engine, data)
            right = accuracy(data, found)
            moved = (sixteen_logits(engine, data) - logits).abs().max() if right else None
        show(name, right, agreement(found, whole), "" if moved is None else f"{moved:.2g}")
    moved_images = shuffled_images(data)
    found = answers(engine, moved_images)
    moved = (sixteen_logits(engine, moved_images) - logits).abs().max()
    right = accuracy(data, found)
    show("images of other questions", right, agreement(found, whole), f"{moved:.2g}")


def sixteen_logits(engine: Any, data: DataSet) -> torch.Tensor:
    """First-token logits of sixteen questions spread over the data: shape (16, vocabulary)."""
    samples = data.samples[:: len(data.samples) // 16][:16]
    return torch.stack([first_logits(engine, build_request(POPE, s)) for s in samples])


def show(name: str, right: float | None, same: float, moved: str) -> None:
    accurate = "every request fails" if right is None else f"{right:.1f}"
    print(f"| {name} | {accurate} | {same:.1f} | {moved} |")


if __name__ == "__main__":
    main()
