from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

collect_ignore = ["fuzz/one.py"]  # needs atheris, which not every machine has

# What a user may have set must not decide what the tests see: servers are on loopback, `make` is
# called by its name. `ENVIRONMENT` has all of it, for what the network is needed for.
ENVIRONMENT = dict(os.environ)
MAKE = {"MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MFLAGS", "PYTHON", "TASK", "MODEL", "ARGS"}
HUB = {"HF_HUB_OFFLINE", "HF_ENDPOINT", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"}
for name in ENVIRONMENT:
    if name in MAKE | HUB or name.lower().endswith("_proxy"):
        del os.environ[name]

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def write_jsonl(tmp_path: Path) -> Callable[[str, Sequence[dict[str, Any]]], Path]:
    def write(name: str, rows: Sequence[dict[str, Any]]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


def pope_row(number: int, **changes: Any) -> dict[str, Any]:
    """A row in the schema of lmms-lab/POPE."""
    row = {
        "id": str(number),
        "question_id": str(number),
        "question": "Is there a seven in the image?",
        "answer": "yes" if number % 2 else "no",
        "image_source": f"scene_{number // 2}",
        "category": ("adversarial", "popular", "random")[number % 3],
    }
    return row | changes


@pytest.fixture
def pope_rows() -> list[dict[str, Any]]:
    return [pope_row(number) for number in range(12)]


def golden(name: str) -> list[dict[str, Any]]:
    lines = (GOLDEN / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
