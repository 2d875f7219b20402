"""The cache holds what was written, slot by slot, however slots are used again."""

import random

import pytest
import torch

from llava_eval.engines.slots import NOBODY, PREFIX, Slots

LAYERS, HEADS, SIZE = 2, 2, 3


@pytest.fixture
def slots():
    return Slots(4, 20, torch.device("cpu"))


def write(slots, first, rows, owner=PREFIX):
    """Send numbers through the cache as keys, their negatives as values; return what is seen."""
    columns = slots.open(first, [[owner] * len(row) for row in rows])
    width = columns.shape[1]
    padding = [float("nan")] * width
    padded = torch.tensor([[*row, *padding[len(row) :]] for row in rows], dtype=torch.float)
    new = padded[:, None, :, None].expand(len(rows), HEADS, width, SIZE)
    seen = [slots.cache.update(new + 100 * layer, -new, layer) for layer in range(LAYERS)]
    return seen[0][0][:, 0, :, 0].tolist()


def held(slots, slot, layer=0):
    """Read back the numbers of a slot."""
    place = slots.used[slot]
    keys, values = slots.cache.layers[layer].keys, slots.cache.layers[layer].values
    numbers = (keys[slot, 0, :place, 0] - 100 * layer).tolist()
    assert (-values[slot, 1, :place, 1]).tolist() == numbers
    return numbers


def test_rows_of_different_lengths_stand_without_gaps(slots):
    write(slots, 1, [[1, 2, 3], [4], [5, 6]])
    write(slots, 1, [[7], [8, 9], []])
    assert [held(slots, slot) for slot in range(4)] == [[], [1, 2, 3, 7], [4, 8, 9], [5, 6]]
    assert slots.owners[2, :5].tolist() == [PREFIX] * 3 + [NOBODY] * 2


def test_a_pass_sees_its_own_slots_as_far_as_the_longest_goes(slots):
    write(slots, 0, [[1, 2], [3, 4]])
    assert write(slots, 1, [[5]]) == [[3, 4, 5]]
    assert write(slots, 0, [[6], [7]]) == [[1, 2, 6, 0], [3, 4, 5, 7]]


def test_what_is_forgotten_is_zero_and_nobodys(slots):
    write(slots, 0, [[1, 2, float("nan"), 3]])
    slots.forget(0, 2)
    assert held(slots, 0) == [1, 2]
    assert not slots.cache.layers[1].values[0, :, 2:-1].any()
    assert (slots.owners[0, 2:] == NOBODY).all()


def test_packs_are_set_aside_and_stand_together_in_the_end(slots):
    write(slots, 0, [[1, 2]])
    for owner, (pack, to_come) in enumerate([([3, 4], 4), ([5, 6, 7], 1), ([8], 0)], 1):
        write(slots, 0, [pack], owner)
        slots.set_aside(0, 2, to_come)
    assert held(slots, 0) == held(slots, 0, layer=1) == [1, 2, 8, 5, 6, 7, 3, 4]
    assert slots.owners[0, :9].tolist() == [PREFIX] * 2 + [3, 2, 2, 2, 1, 1, NOBODY]


@pytest.mark.parametrize("seed", range(20))
def test_slots_hold_what_lists_would(slots, seed):
    rng = random.Random(seed)
    expected = [[] for _ in range(4)]
    number = 0
    for _ in range(60):
        kind = rng.choice(["write", "write", "write", "forget", "move"])
        if kind == "write":
            first = rng.randrange(4)
            rows = []
            for slot in range(first, rng.randint(first + 1, 4)):
                count = min(rng.randint(0, 5), 20 - len(expected[slot]))
                rows.append(list(range(number, number + count)))
                expected[slot] += rows[-1]
                number += count
            if any(rows):
                write(slots, first, rows)
        elif kind == "forget" and number:
            slot = rng.randrange(4)
            keep = rng.randint(0, len(expected[slot]))
            slots.forget(slot, keep)
            del expected[slot][keep:]
        elif number:
            source, target = rng.sample(range(4), 2)
            slots.move(source, target)
            expected[target] = list(expected[source])
        if number:
            assert [held(slots, slot) for slot in range(4)] == expected
            assert [held(slots, slot, layer=1) for slot in range(4)] == expected
            used = (slots.owners != NOBODY).sum(1).tolist()
            assert used == slots.used == list(map(len, expected))
