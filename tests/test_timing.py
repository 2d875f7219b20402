"""Every second belongs to one stage; the most memory held is reported."""

import random
import subprocess
import sys
from itertools import count

import pytest
import torch

from llava_eval.engines import EngineSettings, load_engine
from llava_eval.engines.memory import free_memory, peak_memory
from llava_eval.engines.timing import BESIDE, STAGES, Stages
from llava_eval.records import Request
from tests.test_hf import picture
from tests.tiny import make_checkpoint

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return load_engine(EngineSettings(str(make_checkpoint(tmp_path_factory.mktemp("timing")))))


def ticking():
    """A clock that goes on by a second whenever it is looked at."""
    return map(float, count()).__next__


def asked():
    return [Request(str(n), f"Is it {n}?", (picture(n % 3),), 1 + 5 * n) for n in range(7)]


def test_the_time_inside_a_stage_is_not_that_of_the_one_around_it():
    stages = Stages(CPU, ticking())
    with stages("prefix"), stages("vision"):
        pass
    assert stages.total() == {"vision": 1.0, "prefix": 2.0, "other": 2.0}


@pytest.mark.parametrize("seed", range(20))
def test_stages_add_up_to_the_clock_after_whatever_nesting_and_exceptions(seed):
    rng = random.Random(seed)
    now = [0.0]
    stages = Stages(CPU, lambda: now[0])
    own = dict.fromkeys(STAGES, 0.0)

    def spend(name):
        seconds = rng.randint(1, 9)
        now[0] += seconds
        own[name] += seconds

    def work(name, depth):
        spend(name)
        for _ in range(rng.randint(0, 3) if depth < 4 else 0):
            inner = rng.choice(STAGES[:-1])
            try:
                with stages(inner):
                    work(inner, depth + 1)
                    if rng.random() < 0.3:
                        raise KeyError(inner)
            except KeyError:
                if depth and rng.random() < 0.5:
                    raise
            spend(name)

    work("other", 0)
    assert stages.total() == {name: spent for name, spent in own.items() if spent}
    assert sum(stages.total().values()) == now[0]


def test_a_projector_that_fails_leaves_no_stage_behind(engine):
    stages = Stages(CPU, ticking())
    encoded = engine.encode(asked()[0])

    def fail(*_):
        raise ValueError("no light")

    handle = engine.model.model.multi_modal_projector.register_forward_pre_hook(fail)
    try:
        with (
            stages.watch(engine.model),
            pytest.raises(ValueError, match="no light"),
            stages("prefix"),
        ):
            engine.model(torch.tensor([encoded.ids]), encoded.pixels)
    finally:
        handle.remove()
    before = stages.total()
    after = stages.total()
    assert {name for name in after if after[name] != before[name]} == {"other"}
    assert not engine.model.model.vision_tower._forward_pre_hooks
    assert not engine.model.model.multi_modal_projector._forward_hooks


@pytest.mark.parametrize("share", [True, False])
def test_a_runs_stages_add_up_to_its_time(engine, share, monkeypatch):
    engine.settings = EngineSettings(engine.checkpoint.name, share=share)
    now = ticking()
    monkeypatch.setattr(engine, "clock", now)
    assert not any(p.failed for batch in engine.generate(asked()) for p in batch)
    found = engine.performance()["stages"]
    own = {"prefix", "questions", "decode", "idle"} if share else {"generate"}
    assert found.keys() - {BESIDE} == own | {"vision", "other"}
    assert sum(found[name] for name in found if name != BESIDE) == now() - 1


def test_stages_add_up_after_a_run_in_which_everything_failed(engine, monkeypatch):
    engine.settings = EngineSettings(engine.checkpoint.name)
    now = ticking()
    monkeypatch.setattr(engine, "clock", now)

    def fail(*_):
        raise ValueError("no light")

    handle = engine.model.model.multi_modal_projector.register_forward_pre_hook(fail)
    try:
        found = [p for batch in engine.generate(asked()) for p in batch]
    finally:
        handle.remove()
    assert {p.error for p in found} == {"ValueError: no light"}
    total = engine.performance()["stages"]
    total.pop(BESIDE, None)
    assert sum(total.values()) == now() - 1


def test_the_most_memory_held_is_reported(engine):
    engine.settings = EngineSettings(engine.checkpoint.name)
    list(engine.generate(asked()[:1]))
    assert engine.performance()["peak_memory_bytes"] == peak_memory(CPU) > 2**24


# In a process of its own: the peak of this one may be far above what it holds now, and not every
# system lets it start anew.
CHILD = """
import torch
from llava_eval.engines.memory import forget_peak, peak_memory

device = torch.device("cpu")
before = peak_memory(device)
held = torch.ones(before + 2**26, dtype=torch.uint8)
del held
most = peak_memory(device)
forget_peak(device)
print(before, most, peak_memory(device))
try:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    print("starts anew")
except OSError as error:
    print(error)
"""


def test_the_peak_of_memory_is_of_what_was_held_and_starts_anew():
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    numbers, can = done.stdout.splitlines()
    before, most, after = map(int, numbers.split())
    assert most > before + 2**25
    assert after < before + 2**25 or can != "starts anew"


def test_free_memory_is_known():
    assert free_memory(CPU) > 2**24
