"""Cards: of a user's own, in a folder named with --tasks-dir."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from llava_eval.resources import resource
from tests.bad_input.case import Case, write

LIST = "tasks --tasks-dir {d}/cards"


def card(old: str = "", new: str = "", name: str = "own") -> str:
    """Return the card of POPE under another name, with one change."""
    text = resource("tasks/pope.yaml").read_text(encoding="utf-8")
    text = text.replace("name: pope", f"name: {name}")
    assert old in text
    return text.replace(old, new, 1) if old else text


def _changed(name: str, old: str, new: str, what: str, advice: str = "") -> Case:
    spoil = write("cards/own.yaml", card(old, new))
    return Case(f"card with {name}", LIST, spoil, "cards/own.yaml", what, advice)


def _content(name: str, content: str | bytes, what: str, advice: str = "") -> Case:
    return Case(f"card: {name}", LIST, write("cards/own.yaml", content), "own.yaml", what, advice)


def _folder(folder: Path) -> None:
    (folder / "cards/own.yaml").mkdir(parents=True)


def _named(name: str) -> Callable[[Path], object]:
    return write(f"cards/{name}.yaml", card(name=name))


QUESTION = '- "{question}"'
TOKENS = "max_new_tokens: 128"

CASES = [
    _content("an empty file", "", "must be dict"),
    _content("a list", "- a\n- b\n", "must be dict"),
    _content("a text", "pope", "'pope' is str, must be dict"),
    _content("no key but the name", "name: own", "key 'title' is missing", "add it"),
    _content("brackets that are never closed", "name: [own", "not valid YAML"),
    _content("tabs", "name:\n\tx: 1", "not valid YAML"),
    _content("Latin-1", "name: \xe9".encode("latin-1"), "cannot be read"),
    _content("zero bytes", b"name: \0", "not valid YAML"),
    _content("a Python object", "name: !!python/object/apply:os.system [id]", "not valid YAML"),
    _content("an unknown tag", "name: !secret x", "not valid YAML"),
    _content("a month that does not exist", "name: 2024-13-45", "not valid YAML"),
    _content("a truth that is none", "name: !!bool maybe", "not valid YAML"),
    _content("a time that is none", "name: !!timestamp x", "not valid YAML"),
    _content("a number that is none", "name: !!int x", "not valid YAML"),
    _content("a number of 5,000 digits", "name: " + "9" * 5000, "not valid YAML"),
    _content("a number of 4,000 hexadecimal digits", "name: 0x" + "f" * 4000, "must be str"),
    _content("two documents", card() + "---\n" + card(), "not valid YAML"),
    _content("a list for a key", "? [a]\n: b", "not valid YAML"),
    _content("a list within itself", "name: &a [*a]", ""),
    _content("10,000 brackets", "name: " + "[" * 10_000, "not valid YAML"),
    _content(
        "aliases that stand for a billion values",
        "\n".join(
            [
                "a0: &a0 [x]",
                *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)),
            ]
        ),
        "not valid YAML",
    ),
    Case("a folder for a card", LIST, _folder, "own.yaml", "cannot be read"),
    Case(
        "a card with the name of one that ships",
        LIST,
        _named("pope"),
        "pope.yaml",
        "a task of this name ships",
        "rename the card",
    ),
    _changed("the name of another file", "name: own", "name: mine", "name: 'mine' must equal"),
    _changed("an unknown key", "primary: f1", "primry: f1", "unknown key 'primry'", "'primary'"),
    _changed("a key twice", "primary: f1", "primary: f1\nprimary: f1", "is given twice"),
    _changed("a key missing", "primary: f1\n", "", "key 'primary' is missing", "add it"),
    _changed("a truth for a text", "title: POPE", "title: yes", "True is bool", "quote it"),
    _changed("a number for a text", "title: POPE", "title: 3", "3 is int, must be str", "quote it"),
    _changed("nothing for a text", "title: POPE", "title:", "None is nothing, must be str"),
    _changed("a text for a number", TOKENS, "max_new_tokens: '9'", "'9' is str, must be int"),
    _changed("a fraction for a number", TOKENS, "max_new_tokens: 1.5", "1.5 is float, must be int"),
    _changed("no tokens", TOKENS, "max_new_tokens: 0", "0, must be at least 1"),
    _changed(
        "a text for a list",
        "repos: [lmms-lab-encoder/POPE, lmms-lab/POPE]",
        "repos: lmms-lab/POPE",
        "hub: repos: 'lmms-lab/POPE' is str, must be list",
    ),
    _changed("no lines", "lines:", "lines: []\n  more:", "unknown key 'more'"),
    _changed("a number for a line", QUESTION, "- 3", "prompt: lines[0]: 3 is int, must be str"),
    _changed("an unknown field", QUESTION, '- "{answer}"', "{answer} is not a field"),
    _changed("a field without a name", QUESTION, '- "{}"', "{} is not a field"),
    _changed("a field by attribute", QUESTION, '- "{question.__class__}"', "is not a field"),
    _changed("a field by place", QUESTION, '- "{0}"', "{0} is not a field"),
    _changed("a field with a format", QUESTION, '- "{question:>9}"', "a field is a bare {name}"),
    _changed("a brace alone", QUESTION, '- "{question"', "expected '}' before end of string"),
    _changed("an unknown scorer", "scorer: pope", "scorer: poep", "did you mean 'pope'"),
    _changed("an unknown metric", "primary: f1", "primary: f2", "pope has no metric 'f2'"),
    _changed("an unknown unit", "unit: percent", "unit: '%'", "unit: '%' is not known"),
    _changed("an unknown reader", "reader: pope", "reader: poep", "official.reader: 'poep'"),
    _changed("an unknown adapter", "unit: percent", "unit: percent\nadapter: gq", "adapter: 'gq'"),
    _changed(
        "an unknown question rule",
        "max_new_tokens",
        "prompt_rule: x\nmax_new_tokens",
        "unknown key 'prompt_rule'",
    ),
    _changed(
        "a group that the scorer needs left out",
        "{category: category}",
        "{}",
        "columns.groups: pope needs 'category'",
        "name the column",
    ),
    _changed("groups that are a list", "{category: category}", "[category]", "must be dict"),
    _changed("a version by name", "8910:", "many:", "'many' is str, must be int"),
    _changed("versions that are a list", "versions:", "versions: []\nothers_too:", "othe"),
    _changed(
        "no question column",
        "question: question",
        "question: ''",
        "columns.question: is empty",
        "fill it in",
    ),
    _changed(
        "a hub without a repository",
        "repos: [lmms-lab-encoder/POPE, lmms-lab/POPE]",
        "repos: []",
        "repos",
    ),
    Case(
        "a card that names rows which are not there",
        "score own --tasks-dir {d}/cards --data card --predictions {d}/a.jsonl",
        write("cards/own.yaml", card("mini: mini/pope.parquet", "file: rows.jsonl")),
        "cards/rows.jsonl",
        "no such file",
    ),
    Case(
        "a card that names no rows",
        "score own --tasks-dir {d}/cards --data card --predictions {d}/a.jsonl",
        write("cards/own.yaml", card()),
        "own",
        "names no file for --data card",
        "name another",
    ),
]
