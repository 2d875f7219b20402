"""Run the fuzzer: `python -m tests.fuzz [TARGET ...] --seconds 30`.

Needs atheris (`make fuzz` installs it: x86-64 Linux, Python 3.11 to 3.13), which is libFuzzer with
the coverage of Python code. Every target gets a process of its own. What it finds lies under
build/fuzz/<target>; with its fix it is kept under tests/fuzz/found, which the test suite tries.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

WORK = Path("build/fuzz")
EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
MOST_MEMORY = 2500  # MiB
LONGEST = 30  # seconds for one input
LARGEST = {"loading": 700_000}  # bytes; the weights of the checkpoint are 610,560
WORDS = Path(__file__).parent / "words.dict"


def main() -> int:
    """Fuzz the targets one after the other and print a table; 1 if anything was found."""
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=30, help="for each target (30)")
    options = parser.parse_args()
    print("| target | executions | found |\n|---|---:|---:|")
    found = executed = 0
    # A file is written for every input: in memory, where there is room for files.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="llava-eval-fuzz-", dir=memory) as folder:
        tempfile.tempdir = os.environ["TMPDIR"] = folder  # libFuzzer ends without Python's exit
        for name in options.targets or TARGETS:
            count, findings = fuzz(name, options.seconds)
            print(f"| {name} | {count:,} | {findings} |", flush=True)
            found, executed = found + findings, executed + count
    print(f"| all | {executed:,} | {found} |")
    return 1 if found else 0


def fuzz(name: str, seconds: int) -> tuple[int, int]:
    """Fuzz one target in a process of its own: executions, and 1 if it stopped at a finding."""
    from tests.fuzz.seeds import SEEDS, found

    corpus = WORK / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate([*SEEDS[name](), *found(name).values()]):
        (corpus / f"seed-{number}").write_bytes(seed)
    command = [
        *(sys.executable, "-m", "tests.fuzz.one", name, str(corpus)),
        *(f"-max_total_time={seconds}", "-print_final_stats=1", f"-dict={WORDS}"),
        *(f"-artifact_prefix={WORK / name}/", f"-timeout={LONGEST}"),
        *(f"-rss_limit_mb={MOST_MEMORY}", "-verbosity=0", f"-max_len={LARGEST.get(name, 20_000)}"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    (WORK / name / "log.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    counted = EXECUTED.search(done.stderr)
    return int(counted[1]) if counted else 0, int(done.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
