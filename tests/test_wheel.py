"""The package outside its checkout, and the Makefile's promises."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", out]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_the_wheel_holds_cards_mini_splits_published_numbers_and_the_demo(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    results = ("results/published.yaml", "results/effects.yaml")
    for name in ("tasks/pope.yaml", "tasks/mini/pope.parquet", *results):
        assert f"llava_eval/{name}" in names
    assert "llava_eval/demo/checkpoint/model.safetensors" in names
    assert not [name for name in names if name.startswith(("tests/", "tasks/"))]


@pytest.mark.slow
def test_the_wheel_runs_the_demo_in_a_fresh_environment_from_another_folder(wheel, tmp_path):
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    install = [python, "-m", "pip", "install", "--quiet", wheel]
    command = [*install, "--constraint", ROOT / "constraints.txt"]
    subprocess.run(command, env=ENVIRONMENT, check=True)
    program = tmp_path / "env" / "bin" / "llava-eval"
    command = [program, "run", "--model", "demo", "--tasks", "pope", "--limit", "40"]
    subprocess.run([*command, "--out", "out"], cwd=tmp_path, check=True, capture_output=True)
    result = json.loads((tmp_path / "out" / "pope" / "result.json").read_text())
    assert result["source"] == "mini"
    assert 0 < result["n"] <= 40


def test_a_bare_checkout_runs_without_being_installed(tmp_path):
    shutil.copytree(ROOT / "llava_eval", tmp_path / "llava_eval", ignore=_checkpoint)
    shutil.copytree(ROOT / "tasks", tmp_path / "tasks")
    (tmp_path / "results").mkdir()
    shutil.copy(ROOT / "results" / "published.yaml", tmp_path / "results")
    command = [sys.executable, "-m", "llava_eval", "tasks"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "POPE" in done.stdout


def _checkpoint(folder, names):
    return [name for name in names if name == "checkpoint"]


def make(target, cwd):
    command = ["make", "--no-print-directory", "--dry-run", target]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def checkout(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_an_installation_that_was_cut_off_is_made_anew(checkout):
    (checkout / ".venv" / "bin").mkdir(parents=True)
    assert "rm -rf .venv && python3 -m venv .venv" in make("install", checkout)


def test_a_whole_installation_is_left_alone(checkout):
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / ".complete").touch()
    assert "pip install" not in make("eval", checkout)


def test_every_target_is_listed_by_help(checkout):
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=checkout, capture_output=True, text=True
    )
    targets = [
        line.removeprefix(".PHONY: ").strip()
        for line in (checkout / "Makefile").read_text().splitlines()
        if line.startswith(".PHONY: ")
    ]
    assert targets == [line.split()[0] for line in shown.stdout.splitlines()]
