"""Links from numbers of the page to the samples behind them; see `templates/js/address.js`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote, urlencode

from llava_eval.report.subject import Subject, TaskRun
from llava_eval.scorers.exact import SEMANTIC


class SampleLinks:
    """Addresses of a run's samples; "" where the page has none of them."""

    def __init__(self, subject: Subject, run: TaskRun, browsed: Sequence[str]) -> None:
        self.run = run
        shown = [other for other in subject.of_task(run.task.name) if other.data]
        self.there = run.task.name in browsed and run in shown
        self.place = shown.index(run) if self.there else 0
        self.groups = _groups(run)

    def to(self, **filters: str) -> str:
        """Return the address of the samples that a filter leaves."""
        if not self.there:
            return ""
        query = urlencode({"run": self.place, **filters})
        return f"#/{quote(self.run.task.name, safe='')}?{query}"

    def to_outcome(self, outcome: str, count: int) -> str:
        """Return the address of the samples that ended so, if there are any."""
        return self.to(outcome=outcome) if count else ""

    def to_group(self, name: str) -> str:
        """Return the address of a group of the result, if rows have it as a group of theirs."""
        value = self.groups.get(name)
        return self.to(group=value) if value else ""


def _groups(run: TaskRun) -> dict[str, str]:
    """Name a run's groups as the browser does: a grouping before a value that others have too."""
    pairs = list(dict.fromkeys(pair for s in run.scores for pair in s.sample.groups.items()))
    times = Counter(value for _, value in pairs)
    found = {}
    for grouping, value in pairs:
        full = f"{grouping}: {value}"
        if times[value] == 1:
            found[value] = full
        found[full] = full
    if run.task.scorer == "gqa":  # its semantic types have longer names in the result
        found |= {SEMANTIC[v]: f"{g}: {v}" for g, v in pairs if g == "semantic" and v in SEMANTIC}
    return found
