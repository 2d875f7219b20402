import pytest

from llava_eval.answers.yes_no import pope_yes_no
from tests.conftest import golden


@pytest.mark.parametrize("row", golden("pope"), ids=lambda row: repr(row["text"]))
def test_pope_reads_every_golden_answer_as_llavas_script_does(row):
    assert pope_yes_no(row["text"]) == row["answer"]
