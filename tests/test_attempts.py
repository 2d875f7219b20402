"""Whatever goes wrong in the model, the answers that come are those of an undisturbed run."""

import json
import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch

from llava_eval import evaluate
from llava_eval.engines import EngineSettings, load_engine
from llava_eval.engines.attempts import out_of_memory
from llava_eval.engines.slots import SlotLayer
from llava_eval.records import Request
from llava_eval.store import result_to_json
from tests.test_hf import picture
from tests.test_sharing import one_by_one, varied
from tests.tiny import make_checkpoint

SHORT = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("attempts"))


@pytest.fixture(scope="module")
def engine(tiny):
    loaded = load_engine(EngineSettings(str(tiny)))
    loaded.eos = list(range(2, 262, 14))  # answers of many lengths
    loaded.model.generation_config.eos_token_id = loaded.eos
    return loaded


@pytest.fixture(scope="module")
def truth(engine):
    return one_by_one(engine, varied())


def ask(engine, asked, **settings):
    """Answers by id, and the errors of those that failed."""
    engine.settings = EngineSettings(engine.checkpoint.name, **settings)
    found = [p for batch in engine.generate(asked) for p in batch]
    assert sorted(p.id for p in found) == sorted(r.id for r in asked)
    answers = {p.id: (p.text, p.new_tokens, p.prompt_tokens) for p in found if not p.failed}
    return answers, {p.id: p.error for p in found if p.failed}


@contextmanager
def room_for(columns):
    """Let the cache find memory for so many columns in all, and no more."""
    whole = SlotLayer._room

    def limited(layer, new):
        if layer.slots.count * layer.slots.columns > columns:
            raise SHORT
        return whole(layer, new)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SlotLayer, "_room", limited)
        yield


@pytest.mark.parametrize("columns", [1500, 700, 400])
def test_what_does_not_fit_is_asked_again_in_smaller_batches(engine, truth, columns):
    with room_for(columns):
        assert ask(engine, varied()) == (truth, {})
    (note,) = engine.performance()["notes"]
    assert "out of memory" in note


@pytest.mark.parametrize("at", [1, 2, 3, 7, 20])
def test_memory_that_runs_out_in_mid_answer_changes_no_answer(engine, truth, at):
    passes = []

    def before(*_):
        passes.append(1)
        if len(passes) == at:
            raise SHORT

    handle = engine.model.model.language_model.register_forward_pre_hook(before)
    try:
        assert ask(engine, varied(), batch_size=4) == (truth, {})
    finally:
        handle.remove()
    assert engine.performance()["notes"] == [
        "out of memory: asked again in smaller batches (1x), at last 2 at once"
    ]


def test_a_run_whose_memory_suffices_says_nothing(engine, truth):
    assert ask(engine, varied()) == (truth, {})
    assert engine.performance()["notes"] == []


def test_the_size_that_fits_is_kept(engine, truth):
    """Each half is tried once, not once for every batch that follows."""
    with room_for(1500):
        _, failed = ask(engine, varied(images=24), batch_size=8)
    assert not failed
    (note,) = engine.performance()["notes"]
    assert int(note.split("(")[1].split("x")[0]) <= 3


@contextmanager
def passes_of(engine, tokens):
    """Let a pass through the model have memory for so many tokens."""

    def before(_, inputs, named):
        if named["inputs_embeds"].shape[:2].numel() > tokens:
            raise SHORT

    handle = engine.model.model.language_model.register_forward_pre_hook(before, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def test_a_request_that_cannot_fit_fails_alone_and_says_why(engine, truth):
    whole = max(len(engine.encode(r).ids) for r in varied())
    long = Request("long", "Is it " + "very " * 60 + "so?", (picture(77),), 4)
    with passes_of(engine, whole):
        answers, failed = ask(engine, [*varied(), long])
    assert answers == truth
    assert list(failed) == ["long"]
    assert "out of memory" in failed["long"]


def test_one_image_with_too_many_questions_is_asked_a_few_at_a_time(engine):
    asked = [Request(str(n), f"Is it {'so ' * n}{n}?", (picture(1),), 8) for n in range(12)]
    expected = one_by_one(engine, asked)
    with room_for(330):
        assert ask(engine, asked) == (expected, {})


def test_an_error_that_is_none_of_memory_is_not_tried_again(engine):
    calls = []

    def fail(*_):
        calls.append(1)
        raise RuntimeError("out of luck")

    handle = engine.model.model.language_model.register_forward_pre_hook(fail)
    try:
        _, failed = ask(engine, varied(images=3))
    finally:
        handle.remove()
    assert len(calls) == 1
    assert set(failed.values()) == {"RuntimeError: out of luck"}


def test_with_sharing_off_a_batch_is_halved_too(engine, truth, monkeypatch):
    whole = engine.model.generate

    def limited(**inputs):
        if len(inputs["input_ids"]) > 2:
            raise SHORT
        return whole(**inputs)

    monkeypatch.setattr(engine.model, "generate", limited)
    assert ask(engine, varied(), share=False, batch_size=8) == (truth, {})
    assert "out of memory" in engine.performance()["notes"][0]


@contextmanager
def poisoned(engine, image, times=1_000_000):
    """Let one picture's features be NaN, the first times that it is seen."""
    marked = engine.encode(Request("x", "", (image,), 1)).pixels
    left, rows = [times], []

    def look(_, inputs, named):
        pixels = named["pixel_values"] if "pixel_values" in named else inputs[0]
        rows[:] = [place for place, row in enumerate(pixels) if torch.equal(row, marked[0])]

    def spoil(_, inputs, output):
        if rows and left[0]:
            left[0] -= 1
            output[rows] = float("nan")

    model = engine.model.model
    handles = (
        model.vision_tower.register_forward_pre_hook(look, with_kwargs=True),
        model.multi_modal_projector.register_forward_hook(spoil),
    )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("share", [True, False])
def test_logits_that_are_no_numbers_fail_their_own_image(engine, truth, share):
    asked = varied()
    with poisoned(engine, asked[-1].images[0]):
        answers, failed = ask(engine, asked, share=share)
    image = asked[-1].id.split(".")[0]
    assert set(failed) == {name for name in truth if name.split(".")[0] == image}
    assert all("NaN" in error for error in failed.values())
    assert answers == {name: truth[name] for name in truth if name not in failed}


def test_questions_beside_one_that_is_no_number_are_asked_again_alone(engine, truth):
    asked = varied()
    assert sum(r.id.startswith("1.") for r in asked) > 1
    image = next(r for r in asked if r.id == "1.0").images[0]
    with poisoned(engine, image, times=1):
        assert ask(engine, asked) == (truth, {})


CHILD = """
import json, resource, sys, threading
from llava_eval.engines import EngineSettings, load_engine
from llava_eval.records import Request
from tests.test_hf import picture

threading.stack_size(2**20)  # stacks of threads that begin later count as well
engine = load_engine(EngineSettings(sys.argv[1], batch_size=int(sys.argv[2])))
asked = [Request(str(n), "What?", (picture(n, (20, 20)),), 2) for n in range(600)]
list(engine.generate(asked[:2]))  # warm up: threads and kernels have their memory
if sys.argv[2] != "8":
    pages = int(open("/proc/self/statm").read().split()[0])
    limit = pages * resource.getpagesize() + 120 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
found = {p.id: [p.text, p.error] for batch in engine.generate(asked) for p in batch}
print(json.dumps([found, engine.performance()["notes"]]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_a_real_allocator_that_has_nothing_left_changes_no_answer(tiny):
    outcomes = []
    for batch_size in ("8", "600"):
        command = [sys.executable, "-c", CHILD, str(tiny), batch_size]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        outcomes.append(json.loads(done.stdout))
    (plenty, nothing), (little, note) = outcomes
    assert nothing == []
    assert "out of memory" in note[0]
    assert little == plenty


@pytest.mark.parametrize(
    ("said", "short"),
    [
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", True),
        ("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED", True),
        ("CUDA error: out of memory", True),
        ("CUDA error: an illegal memory access was encountered", False),
        ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", False),
    ],
)
def test_the_libraries_of_a_gpu_have_words_of_their_own_for_no_memory(said, short):
    assert out_of_memory(RuntimeError(said)) == short


GPU_CHILD = """
import json, sys, torch
from llava_eval.engines import EngineSettings, load_engine
from llava_eval.records import Request
from tests.test_hf import picture

engine = load_engine(EngineSettings(sys.argv[1], batch_size=600, device="cuda"))
asked = [Request(str(n), "What?", (picture(n, (20, 20)),), 2) for n in range(600)]
list(engine.generate(asked[:2]))  # warm up: libraries have their memory
whole = torch.cuda.get_device_properties(0).total_memory
limit = torch.cuda.memory_reserved() + 60 * 2**20
torch.cuda.set_per_process_memory_fraction(limit / whole)
found = {p.id: p.error for batch in engine.generate(asked) for p in batch}
print(json.dumps([found, engine.performance()["notes"]]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_that_has_nothing_left_answers_all_the_same(tiny):
    done = subprocess.run([sys.executable, "-c", GPU_CHILD, str(tiny)], capture_output=True)
    assert done.returncode == 0, done.stderr
    found, note = json.loads(done.stdout)
    assert found == {str(number): "" for number in range(600)}
    assert "out of memory" in note[0]


def test_the_result_says_that_memory_did_not_suffice_and_is_otherwise_the_same(tiny, tmp_path):
    run = {"tasks": "pope", "data": "mini", "limit": 24, "settings": EngineSettings("")}
    [plenty] = evaluate(tiny, out=tmp_path / "plenty", **run)
    with room_for(1500):
        evaluate(tiny, out=tmp_path / "short", **run)
    short = json.loads((tmp_path / "short/pope/result.json").read_text())
    assert "out of memory" in short["notes"].pop("engine")
    assert short == json.loads(json.dumps(result_to_json(plenty)))
