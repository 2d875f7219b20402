"""The damaged copy of the demo checkpoint that `make report` compares the demo with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import llava_eval.demo
from llava_eval.demo.damage import WEIGHTS, damaged, write_damaged

CHECKPOINT = Path(llava_eval.demo.__file__).parent / "checkpoint"


@pytest.fixture(scope="module")
def weights():
    return load_file(CHECKPOINT / WEIGHTS)


def test_only_the_matrices_of_one_decoder_layer_are_changed(weights):
    changed = damaged(weights, layer=0, amount=0.9, seed=2)
    names = {name for name in weights if not np.array_equal(weights[name], changed[name])}
    layer = "language_model.model.layers.0."
    assert names == {n for n in weights if n.startswith(layer) and weights[n].ndim == 2}


def test_noise_is_as_large_as_is_said(weights):
    name = "language_model.model.layers.0.mlp.up_proj.weight"
    noise = damaged(weights, 0, 0.9, 2)[name].astype(float) - weights[name]
    assert noise.std() == pytest.approx(0.9 * weights[name].astype(float).std(), rel=0.02)


def test_a_layer_that_is_not_there_is_an_error(weights):
    with pytest.raises(KeyError, match="layer 9"):
        damaged(weights, layer=9, amount=0.9, seed=2)


def test_two_copies_are_the_same_to_the_byte(tmp_path):
    copies = [write_damaged(tmp_path / name) / WEIGHTS for name in ("one", "two")]
    assert copies[0].read_bytes() == copies[1].read_bytes()
