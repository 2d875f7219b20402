import shutil

import pytest

from llava_eval.errors import CardError, UsageError
from llava_eval.resources import resource
from llava_eval.task import load_card, load_task, task_names


@pytest.mark.parametrize("name", task_names())
def test_every_card_loads(name):
    assert load_task(name).name == name


def test_an_unknown_task_names_the_nearest():
    with pytest.raises(UsageError, match="'poep' is not known; did you mean 'pope'"):
        load_task("poep")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "primary: f1",
            "primary: precison",
            "pope has no metric 'precison'; did you mean 'precision'",
        ),
        ("primary: f1", "primry: f1", "unknown key 'primry'; did you mean 'primary'"),
        ("primary: f1\n", "", "key 'primary' is missing"),
        ("primary: f1", "primary: f1\nprimary: f1", "key 'primary' is given twice"),
        ("scorer: pope", "scorer: popes", "scorer: 'popes' is not known; did you mean 'pope'"),
        ("title: POPE", "title: yes", "title: True is bool, must be str; quote it"),
        ("max_new_tokens: 128", "max_new_tokens: '128'", "'128' is str, must be int"),
        ("max_new_tokens: 128", "max_new_tokens: true", "True is bool, must be int"),
        ("unit: percent", "unit: per cent", "unit: 'per cent' is not known"),
        ("reader: pope", "reader: poep", "official.reader: 'poep' is not known"),
        ("split: test", "spilt: test", "hub: unknown key 'spilt'; did you mean 'split'"),
        ('- "{question}"', '- "{qestion}"', "{qestion} is not a field; did you mean"),
        ("name: pope", "name: pop", "name: 'pop' must equal the file's name 'pope'"),
        ("name: pope", "name: [pope", "not valid YAML"),
        ("name: pope", "name: 2024-13-45", "not valid YAML: month must be in 1..12"),
        ("max_new_tokens: 128", "max_new_tokens: -5", "-5, must be at least 1"),
        ('- "{question}"', '- "{question"', "expected '}' before end of string"),
        ('- "{question}"', '- "{question!r}"', "a field is a bare {name}"),
        (
            "unit: percent",
            "unit: percent\njudge: {layout: mmvte, wording: x, temperature: 0.0, max_tokens: 3}",
            "judge.layout: 'mmvte' is not known; did you mean 'mmvet'",
        ),
        (
            "unit: percent",
            "unit: percent\njudge: {layout: mmvet, wording: x, temperature: 0, max_tokens: 3}",
            "judge.layout: pope cannot read what 'mmvet' asks for; leave judge out",
        ),
        ("{category: category}", "{}", "pope needs 'category'; name the column it is in"),
    ],
)
def test_a_slip_in_a_card_is_one_line_that_names_it(tmp_path, old, new, message):
    text = resource("tasks/pope.yaml").read_text(encoding="utf-8")
    assert old in text
    card = tmp_path / "pope.yaml"
    card.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(CardError) as error:
        load_card(card)
    assert message in str(error.value)
    assert str(card) in str(error.value)


def test_a_card_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(CardError, match="cannot be read"):
        load_card(tmp_path / "pope.yaml")


@pytest.mark.parametrize("change", [("128", "16"), ("single word", "short word")])
def test_what_can_move_a_score_changes_the_protocol(tmp_path, change):
    card = tmp_path / "pope.yaml"
    card.write_text(resource("tasks/pope.yaml").read_text("utf-8").replace(*change), "utf-8")
    assert load_card(card).protocol != load_task("pope").protocol


def test_what_cannot_move_a_score_leaves_the_protocol(tmp_path):
    card = tmp_path / "pope.yaml"
    shutil.copy(resource("tasks/pope.yaml"), card)
    card.write_text(card.read_text("utf-8").replace("title: POPE", "title: P.O.P.E."), "utf-8")
    assert load_card(card).protocol == load_task("pope").protocol
