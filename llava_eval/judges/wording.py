"""In whose words a judge is asked: the original's, from the user's copy, or our own."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llava_eval.digests import digest_of
from llava_eval.errors import DataError, UsageError, brief, first_line
from llava_eval.json_text import json_or_none, parse_json
from llava_eval.judges.layouts import LAYOUTS
from llava_eval.rows import read_text
from llava_eval.scorers.relative import CATEGORIES
from llava_eval.task import Judging, Task

ROLE = "Assistant"
# MemoryError: the parser's own stack is full, as of a thousand brackets within each other.
UNREADABLE = (KeyError, MemoryError, RecursionError, SyntaxError, TypeError, ValueError)
SHOWN = 8  # hex digits of a digest, in a dialect's name


@dataclass(frozen=True)
class Wording:
    """What a judge is told to do.

    Attributes:
        texts: By category; "" holds for all.
        dialect: "llava" for the original's words, else whose words they are and a digest of all
            that the judge is asked by.
        source: Where the words are from.
    """

    texts: Mapping[str, str]
    dialect: str
    source: str


def choose_wording(task: Task, judging: Judging, rules: Sequence[Path] = ()) -> Wording:
    """Take the user's copy of the original's words if there is one, else our own.

    Args:
        task: Whose name stands in messages.
        judging: Of its card.
        rules: Files of the user: LLaVA's rule.json, MM-Vet's evaluator or prompt.

    Raises:
        DataError: A file cannot be read or lacks what it must hold.
    """
    found = [(path, texts) for path in rules if (texts := _read(path, judging.layout))]
    if len(found) > 1:
        names = " and ".join(str(path) for path, _ in found)
        raise DataError(f"--judge-rules: {names} both hold the words for {task.name}; give one")
    if not found:
        texts = {"": judging.wording}
        own = "matching" if LAYOUTS[judging.layout].matches else "own wording"
        return Wording(texts, _named(own, judging, texts), "our own")
    path, texts = found[0]
    original = all(_sha256(text) == judging.original for text in texts.values())
    dialect = "llava" if original else _named("other wording", judging, texts)
    return Wording(texts, dialect, str(path))


def check_rules(tasks: Sequence[Task], rules: Sequence[Path]) -> None:
    """Check that each file of the user holds the words for one of these tasks.

    Raises:
        UsageError: One holds words for none of them.
        DataError: One cannot be read or lacks what it must hold.
    """
    layouts = {task.judge.layout for task in tasks if task.judge is not None}
    for path in rules:
        if not any(_read(path, layout) for layout in sorted(layouts)):
            names = ", ".join(task.name for task in tasks) or "nothing"
            raise UsageError(
                f"--judge-rules {path}: holds no words for {names}; llava_bench takes LLaVA's "
                "rule.json, mmvet MM-Vet's evaluator (.py, .ipynb) or its prompt in a text file"
            )


def _named(whose: str, judging: Judging, texts: Mapping[str, str]) -> str:
    """Name a dialect, with a digest of words and settings: either can move a score."""
    settings = {**dataclasses.asdict(judging), "wording": "", "original": "", "original_file": ""}
    return f"{whose} {digest_of([settings, dict(texts)])[:SHOWN]}"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _read(path: Path, layout: str) -> dict[str, str]:
    """Return the words that a file holds for a layout; none if it is another's file."""
    text = read_text(path)
    rules = path.suffix == ".json"
    if layout == "llava_bench" and rules:
        return _read_rules(path, text)
    if layout == "mmvet" and not rules:
        prompt = _read_prompt(path, text)
        if not prompt.strip():
            raise DataError(f"{path}: the prompt is empty; give MM-Vet's evaluator or its prompt")
        return {"": prompt}
    return {}


def _read_rules(path: Path, text: str) -> dict[str, str]:
    """Read LLaVA's rule.json: {"llava_bench_conv": {"role": ..., "prompt": ...}, ...}."""
    content = parse_json(text, str(path))
    texts = {}
    for category in CATEGORIES:
        name = f"llava_bench_{category}"
        rule = content.get(name) if isinstance(content, dict) else None
        prompt = rule.get("prompt") if isinstance(rule, dict) else None
        if not (isinstance(rule, dict) and isinstance(prompt, str) and prompt.strip()):
            raise DataError(f"{path}: no {name} with a prompt; give LLaVA's rule.json")
        if rule.get("role") != ROLE:
            raise DataError(f"{path}: {name}: role is {brief(rule.get('role'))}, must be {ROLE!r}")
        texts[category] = prompt
    return texts


def _read_prompt(path: Path, text: str) -> str:
    """Read MM-Vet's prompt: out of its evaluator, script or notebook, or a file of its own."""
    if path.suffix not in (".py", ".ipynb"):
        if isinstance(json_or_none(text), dict):
            raise DataError(f"{path}: holds JSON, no prompt; LLaVA's rule.json must end in .json")
        return text.rstrip("\n") + "\n"  # in the evaluator a newline ends the table
    try:
        code = _code(text) if path.suffix == ".ipynb" else text
        found = [each.value for each in _prompts(ast.parse(code))]
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot be read as Python: {first_line(error)}") from error
    if len(found) != 1:
        raise DataError(
            f'{path}: {len(found)} texts are called prompt, must be one: prompt = """...""" in '
            "MM-Vet's evaluator; or give the prompt in a text file"
        )
    return str(found[0])


def _prompts(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if "prompt" in names and isinstance(node.value.value, str):
                yield node.value


def _code(notebook: str) -> str:
    """Join the code cells of a notebook, without the shell's and magic lines."""
    cells = [cell for cell in json.loads(notebook)["cells"] if cell["cell_type"] == "code"]
    lines = "\n".join("".join(cell["source"]) for cell in cells).split("\n")
    return "\n".join(line for line in lines if not line.startswith(("!", "%")))
