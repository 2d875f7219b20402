"""Fuzz one target: `python -m tests.fuzz.one TARGET CORPUS [libFuzzer's options]`."""

from __future__ import annotations

import logging
import sys
import warnings

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["llava_eval", "yaml", "json", "PIL"]):
    from tests.fuzz import targets

from tests.fuzz.mutate import mutate


def main() -> None:
    """Fuzz until libFuzzer ends the process."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    targets.remember_cards()
    name = sys.argv.pop(1)

    def once(data: bytes) -> None:
        targets.attempt(name, data)

    def other(data: bytes, most: int, seed: int) -> bytes:
        return mutate(data, seed, lambda each: atheris.Mutate(each, most), most)

    atheris.Setup(sys.argv, once, custom_mutator=other)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
