"""Every picture once, every prompt about it once; pictures are made ahead, but not too far."""

import threading
import time
from array import array

import pytest

from llava_eval.engines.grouping import ahead, group_by_image, image_digests
from llava_eval.records import ImageRef, Request

RED, BLUE = ImageRef("red", lambda: b"red"), ImageRef("blue", lambda: b"blue")


def request(name, image=RED, most=4):
    return Request(name, "?", () if image is None else (image,), most)


def grouped(requests, ids):
    works, failed = group_by_image(requests, ids, image_digests(requests))
    shape = [[[r.id for r in prompt.requests] for prompt in work.prompts] for work in works]
    return shape, {r.id: str(error) for r, error in failed}


def test_the_same_prompt_about_the_same_picture_is_one_prompt():
    requests = [request("a"), request("b", BLUE), request("c"), request("d", None)]
    ids = [array("i", [1])] * 4
    assert grouped(requests, ids) == ([[["a", "c"]], [["b"]], [["d"]]], {})


def test_prompts_with_other_words_or_another_limit_are_other_prompts():
    requests = [request("a"), request("b"), request("c", most=5)]
    ids = [array("i", [1]), array("i", [2]), array("i", [1])]
    assert grouped(requests, ids) == ([[["a"], ["b"], ["c"]]], {})


def test_what_has_no_tokens_or_no_picture_fails_alone():
    def missing():
        raise OSError("no such file")

    requests = [request("a"), request("b", ImageRef("gone", missing)), request("c")]
    ids = [array("i", [1]), array("i", [1]), ValueError("too long")]
    assert grouped(requests, ids) == ([[["a"]]], {"b": "no such file", "c": "too long"})


def test_a_file_is_read_once_however_many_ask_about_it():
    reads = []
    image = ImageRef("photo", lambda: reads.append(1) or b"photo", "photo.jpg")
    digests = image_digests([request(str(n), image) for n in range(9)])
    assert len(set(digests)) == len(reads) == 1


@pytest.mark.parametrize("threads", [1, 4])
def test_things_come_in_order_and_no_more_than_so_many_are_begun_before(threads):
    begun = []

    def make(item):
        begun.append(item)
        return -item

    for taken, (item, made) in enumerate(ahead(make, range(40), threads, most=5), 1):
        assert (item, made) == (taken - 1, 1 - taken)
        assert len(begun) <= taken + 5
    assert taken == 40


def test_slow_things_are_waited_for_in_their_order():
    late = threading.Event()

    def make(item):
        if item == 0:
            assert late.wait(10)
        else:
            late.set()
        return item

    assert [made for _, made in ahead(make, range(8), 2, most=3)] == list(range(8))


def test_an_exception_in_a_thread_reaches_the_one_who_asks():
    def make(item):
        return 1 / (item - 2)

    coming = ahead(make, range(9), 2, most=4)
    assert [next(coming), next(coming)] == [(0, -0.5), (1, -1.0)]
    with pytest.raises(ZeroDivisionError):
        next(coming)


def test_nothing_is_begun_after_the_one_who_asks_has_gone():
    begun = []

    def make(item):
        begun.append(item)
        time.sleep(0.5 * (item > 0))

    coming = ahead(make, range(100), 1, most=9)
    next(coming)
    coming.close()
    assert len(begun) < 9  # those that were ahead, had they not been given up
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]
