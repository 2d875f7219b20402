import dataclasses
import io
import json
import random
import shutil

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from llava_eval.engines import EngineSettings, load_engine
from llava_eval.engines.hf import left_pad
from llava_eval.errors import ModelError, UsageError
from llava_eval.records import ImageRef, Request
from tests.tiny import make_checkpoint


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def engine(tiny):
    return load_engine(EngineSettings(str(tiny)))


def picture(seed, size=(60, 40), name="picture"):
    rng = random.Random(seed)
    image = Image.frombytes("RGB", size, rng.randbytes(3 * size[0] * size[1]))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return ImageRef(name, buffer.getvalue)


def requests(n=15):
    """Questions of many lengths, on images of several shapes, every fourth without one."""
    return [
        Request(
            str(i),
            "Is it " + "really " * (i * 7 % 10) + f"number {i}?",
            (picture(i, (40 + 11 * (i % 3), 50)),) if i % 4 else (),
            max_new_tokens=12,
        )
        for i in range(n)
    ]


def answer(engine, asked, batch_size=16):
    engine.settings = EngineSettings(engine.checkpoint.name, batch_size=batch_size)
    return {p.id: p for batch in engine.generate(asked) for p in batch}


@pytest.mark.parametrize("batch_size", [2, 7, 16])
def test_in_float32_answers_do_not_depend_on_the_batch_size(engine, batch_size):
    alone = answer(engine, requests(), 1)
    assert answer(engine, requests(), batch_size) == alone
    assert len({prediction.text for prediction in alone.values()}) > 10


def test_answers_do_not_depend_on_the_order_of_requests(engine):
    assert answer(engine, requests()[::-1], 4) == answer(engine, requests(), 4)


def test_one_request_gives_what_plain_generate_gives(engine):
    request = requests()[1]
    encoded = engine.encode(request)
    output = engine.model.generate(
        input_ids=torch.tensor([encoded.ids]), pixel_values=encoded.pixels, max_new_tokens=12
    )
    new = output[0, len(encoded.ids) :].tolist()
    prediction = answer(engine, [request])[request.id]
    assert prediction.text == engine.tokenizer.decode(new, skip_special_tokens=True).strip()
    assert (prediction.prompt_tokens, prediction.new_tokens) == (len(encoded.ids), len(new))


def test_the_word_start_marker_stands_before_and_after_the_image(engine):
    ids = engine.tokenize(["What?"], has_image=True)[0]
    tokens = engine.tokenizer.convert_ids_to_tokens(ids)
    first = tokens.index("<image>")
    last = len(tokens) - tokens[::-1].index("<image>")
    assert tokens[first - 3 : first] == ["R", ":", "▁"]
    assert tokens[last : last + 3] == ["▁", "<0x0A>", "W"]
    assert last - first == 1


def test_the_image_takes_as_many_positions_as_it_has_features(engine):
    ids = engine.encode(requests()[1]).ids
    assert ids.count(engine.image_token) == engine.image_length == 16


def test_there_is_one_bos_and_it_stands_first(engine):
    ids = engine.tokenize(["What?"], has_image=True)[0]
    assert [place for place, token in enumerate(ids) if token == 1] == [0]


@pytest.mark.parametrize("has_image", [True, False])
def test_special_tokens_in_a_question_are_plain_text(engine, has_image):
    ids = engine.tokenize(["Is <image> or </s> or <pad> here?"], has_image)[0]
    assert ids.count(engine.image_token) == has_image
    assert 2 not in ids
    assert engine.pad not in ids


def test_padding_stands_on_the_left():
    ids, mask = left_pad([[5, 6, 7], [8]], pad=0)
    assert ids.tolist() == [[5, 6, 7], [0, 0, 8]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]


def test_a_wide_image_is_padded_with_the_mean_colour_not_cropped(engine):
    wide = Image.new("RGB", (56, 28), (255, 255, 255))
    pixels = engine.pixels(wide)[0]
    mean = torch.tensor(engine.image_processor.image_mean)
    deviation = torch.tensor(engine.image_processor.image_std)
    border = pixels[:, 0, 28] * deviation + mean
    assert pixels.shape == (3, 56, 56)
    assert (border * 255).round().int().tolist() == [122, 116, 104]
    assert torch.allclose(pixels[:, 28, 0] * deviation + mean, torch.ones(3), atol=1e-5)


def test_an_unreadable_image_fails_alone(engine):
    asked = requests(4)
    broken = ImageRef("broken.png", lambda: picture(0).read()[:50])
    asked[1] = Request("1", "What?", (broken,), 12)
    predictions = answer(engine, asked)
    assert predictions["1"].finish == "error"
    assert "broken.png: not a readable image" in predictions["1"].error
    assert [p.failed for p in predictions.values()].count(True) == 1


def test_a_prompt_longer_than_the_context_fails_with_its_length(engine):
    prediction = answer(engine, [Request("1", "why " * 1000, (), 12)])["1"]
    assert "do not fit into the model's context of 2048" in prediction.error


def test_an_exception_in_a_batch_becomes_failed_predictions(engine, monkeypatch):
    monkeypatch.setattr(engine.model.lm_head, "forward", lambda _: 1 / 0)
    predictions = answer(engine, requests(3))
    assert {p.error for p in predictions.values()} == {"ZeroDivisionError: division by zero"}
    assert {p.text for p in predictions.values()} == {""}


@pytest.mark.parametrize("share", [True, False])
def test_every_answer_keeps_its_own_limit(engine, share):
    asked = [dataclasses.replace(r, max_new_tokens=1 + n) for n, r in enumerate(requests(4))]
    engine.settings = EngineSettings(engine.checkpoint.name, share=share)
    found = {p.id: p.new_tokens for batch in engine.generate(asked) for p in batch}
    assert found == {r.id: r.max_new_tokens for r in asked}


def test_a_checkpoints_own_sampling_settings_do_not_leak_in(tiny, engine, tmp_path):
    folder = copy(tiny, tmp_path)
    change(folder, "generation_config.json", do_sample=True, temperature=5.0, num_beams=3)
    warm = load_engine(EngineSettings(str(folder)))
    assert answer(warm, requests(5)) == answer(engine, requests(5))


def copy(tiny, tmp_path):
    return shutil.copytree(tiny, tmp_path / "changed")


def change(folder, name, **values):
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def set_vision(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    change(folder, "config.json", vision_config=config["vision_config"] | values)


def set_processor(folder, **values):
    processor = json.loads((folder / "processor_config.json").read_text())["image_processor"]
    change(folder, "processor_config.json", image_processor=processor | values)


def drop_a_weight(folder):
    weights = load_file(folder / "model.safetensors")
    weights.pop(sorted(weights)[0])
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def cut_the_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def pickle_the_weights(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


REFUSALS = [
    (lambda f: change(f, "processor_config.json", patch_size=28), "patch size: 28 against 14"),
    (
        lambda f: change(f, "processor_config.json", vision_feature_select_strategy="full"),
        "feature strategy: 'full' against 'default'",
    ),
    (
        lambda f: change(f, "config.json", vision_feature_select_strategy="full"),
        "feature strategy: 'default' against 'full'",
    ),
    (
        lambda f: change(f, "processor_config.json", num_additional_image_tokens=0),
        "number of image tokens: 15 against 16",
    ),
    (lambda f: change(f, "config.json", image_seq_length=17), "image_seq_length: 17 against 16"),
    (lambda f: change(f, "config.json", image_token_index=5), "image token"),
    (lambda f: set_vision(f, image_size=70), "image height: 56 against 70"),
    (lambda f: set_processor(f, size={"shortest_edge": 80}), "size before the crop: 80 against 56"),
    (lambda f: set_processor(f, do_resize=False), "resizing: False against True"),
    (lambda f: set_processor(f, do_normalize=False), "normalising: False against True"),
    (lambda f: change(f, "config.json", vision_feature_layer=-9), "vision layer: False"),
    (lambda f: change(f, "config.json", text_config=None), "no text_config; is the file"),
    (lambda f: change(f, "config.json", model_type="llama"), "model_type is 'llama', must be"),
    (lambda f: change(f, "config.json", auto_map={"a": "b"}), "say --trust-remote-code"),
    (lambda f: (f / "config.json").unlink(), r"config\.json: cannot be read"),
    (lambda f: (f / "config.json").write_text("{"), r"config\.json: cannot be read"),
    (lambda f: (f / "model.safetensors").unlink(), r"holds no \*\.safetensors"),
    (lambda f: (f / "tokenizer.json").unlink(), "cannot be loaded"),
    (pickle_the_weights, "pickled weights can run code"),
    (drop_a_weight, "1 missing keys in the weights"),
    (cut_the_weights, "cannot be loaded"),
]


@pytest.mark.parametrize(("spoil", "message"), REFUSALS)
def test_a_checkpoint_that_is_unsafe_or_disagrees_with_itself_is_refused(
    tiny, tmp_path, spoil, message
):
    folder = copy(tiny, tmp_path)
    spoil(folder)
    with pytest.raises(ModelError, match=message) as error:
        load_engine(EngineSettings(str(folder)))
    assert "\n" not in str(error.value)


def test_pickled_weights_load_when_they_are_asked_for(tiny, tmp_path, engine):
    folder = copy(tiny, tmp_path)
    pickle_the_weights(folder)
    pickled = load_engine(EngineSettings(str(folder), allow_pickle=True))
    assert answer(pickled, requests(3)) == answer(engine, requests(3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dtype": "float23"}, "did you mean 'float32'"),
        ({"device": "gpu"}, "--device gpu"),
        ({"device": "cuda:99"}, "--device cuda:99"),
        ({"device": "meta"}, "--device meta: not known; give auto"),
        ({"memory": -1.0}, "--memory -1.0: must be more than 0 GiB"),
        ({"family": "llava-15"}, "did you mean 'llava-1.5'"),
    ],
)
def test_a_setting_that_is_not_known_is_named(tiny, settings, message):
    with pytest.raises(UsageError, match=message):
        load_engine(EngineSettings(str(tiny), **settings))


def test_a_language_model_of_no_known_family_asks_for_one(tiny, tmp_path):
    folder = copy(tiny, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    change(folder, "config.json", text_config=config["text_config"] | {"model_type": "qwen2"})
    with pytest.raises(ModelError, match="no family speaks to a 'qwen2' language model"):
        load_engine(EngineSettings(str(folder)))


def test_the_weights_digest_is_of_the_content(tiny, tmp_path, engine):
    same = load_engine(EngineSettings(str(copy(tiny, tmp_path))))
    assert same.identity()["weights"] == engine.identity()["weights"]
    other = load_engine(EngineSettings(str(make_checkpoint(tmp_path / "other", seed=1))))
    assert other.identity()["weights"] != engine.identity()["weights"]


def test_half_precision_is_part_of_the_identity(tiny):
    half = load_engine(EngineSettings(str(tiny), dtype="bfloat16"))
    assert half.identity()["dtype"] == "bfloat16"
    assert not any(p.failed for p in answer(half, requests(3)).values())


def test_an_attention_that_is_not_installed_is_one_line(tiny):
    with pytest.raises(ModelError, match=r"cannot be loaded: FlashAttention2"):
        load_engine(EngineSettings(str(tiny), attention="flash_attention_2"))


def test_an_image_that_pillow_stumbles_over_fails_alone(engine):
    def stumble():
        raise TypeError("'bytes' object cannot be interpreted as an integer")

    asked = requests(4)
    asked[1] = Request("1", "What?", (ImageRef("odd.tif", stumble),), 12)
    assert [p.id for p in answer(engine, asked).values() if p.failed] == ["1"]


def test_an_image_whose_square_would_fill_the_memory_is_not_opened(engine):
    buffer = io.BytesIO()
    Image.new("L", (1, 60_000)).save(buffer, "PNG")
    asked = [Request("1", "What?", (ImageRef("long.png", buffer.getvalue),), 12)]
    assert "1 x 60000 pixels, padded to a square" in answer(engine, asked)["1"].error


def test_a_model_spread_by_a_device_map_answers_the_same(tiny):
    spread = load_engine(EngineSettings(str(tiny), device_map="auto"))
    whole = load_engine(EngineSettings(str(tiny)))
    assert answer(spread, requests()) == answer(whole, requests())
    assert spread.environment()["device"] == "cpu"
