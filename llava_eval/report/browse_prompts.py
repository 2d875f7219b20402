"""The exact prompt of each row: as the run was sealed with it, not as the card has it today."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from llava_eval.digests import digest_of
from llava_eval.errors import RunError, brief
from llava_eval.families import FAMILIES, Family, prompt_chunks
from llava_eval.prompts import QUESTION_RULES, question_text
from llava_eval.records import Sample
from llava_eval.report.subject import TaskRun
from llava_eval.store import RUN
from llava_eval.task import Prompt

WITHIN = "what is shown is the text within it"


@dataclass(frozen=True)
class Prompts:
    """What a run asked.

    Attributes:
        lines: Of the question text.
        family: The conversation template; None if it is not known.
        note: Why it is not; "" if it is.
    """

    lines: Prompt
    family: Family | None
    note: str = ""

    @property
    def template(self) -> str:
        """Name of the conversation template; "" if it is not known."""
        return self.family.name if self.family else ""

    def pieces(self, sample: Sample) -> tuple[str, ...]:
        """Return the text of one prompt; an image stands between two pieces."""
        text = question_text(self.lines, sample)
        if self.family:
            return prompt_chunks(self.family, text, bool(sample.images))
        return ("", text) if sample.images else (text,)


def prompts_of(run: TaskRun) -> Prompts:
    """Read how a run asked.

    Raises:
        RunError: It names lines or a rule that this version does not know.
    """
    identity = run.side.run["identity"]
    sealed = identity.get("prompt", dataclasses.asdict(run.task.prompt))
    where = f"{run.folder / RUN}: prompt"
    if not isinstance(sealed, dict) or not {"lines", "question"} <= sealed.keys():
        raise RunError(f"{where}: {brief(sealed)}, must have lines and question")
    prompt = Prompt(sealed["lines"], sealed["question"])
    if prompt.question not in QUESTION_RULES:
        raise RunError(f"{where}: question rule {brief(prompt.question)} is not known here")
    try:
        question_text(prompt, Sample("", "?", choices=("?",), hint="?"))
    except (KeyError, ValueError) as error:
        raise RunError(f"{where}: lines cannot be filled: {brief(prompt.lines)}") from error
    family, note = _template(str(identity.get("family", "")), str(identity.get("template", "")))
    return Prompts(prompt, family, note)


def _template(name: str, digest: str) -> tuple[Family | None, str]:
    """Return the template that was used, or why that cannot be said."""
    if not digest:
        return None, f"the conversation template is not recorded; {WITHIN}"
    if " " in digest:  # words in a digest's place, as of a server
        return None, f"the conversation template is {digest}; {WITHIN}"
    family = FAMILIES.get(name)
    if family is None or digest != digest_of([family.with_image, family.text_only]):
        return None, f"the conversation template {digest} is not of this version; {WITHIN}"
    return family, ""
