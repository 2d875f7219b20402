"""An engine that answers from a file of predictions: for tests, and to rerun a scorer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from llava_eval.digests import digest_of_file
from llava_eval.engines import EngineSettings
from llava_eval.records import Json, Prediction, Request
from llava_eval.store import read_predictions


class ReplayEngine:
    """Gives each request the answer that was recorded under its id."""

    def __init__(self, predictions: Mapping[str, Prediction], name: str, digest: str = "") -> None:
        self.predictions = predictions
        self.name = name
        self.digest = digest

    @classmethod
    def load(cls, settings: EngineSettings) -> ReplayEngine:
        """Read the predictions file that `settings.model` names.

        Raises:
            DataError: It cannot be read.
            PredictionsError: It holds something else.
        """
        path = Path(settings.model)
        return cls(read_predictions(path), settings.model, digest_of_file(path))

    def generate(self, requests: Sequence[Request]) -> Iterator[list[Prediction]]:
        """Yield the recorded answers one by one; an id without one is a failed prediction."""
        for request in requests:
            missing = Prediction(request.id, "", "error", f"no answer recorded in {self.name}")
            yield [self.predictions.get(request.id, missing)]

    def identity(self) -> Json:
        """Return the name and digest of the file."""
        return {"engine": "replay", "model": self.name, "weights": self.digest}

    def environment(self) -> Json:
        """Return nothing: a recorded answer depends on no machine."""
        return {}

    def performance(self) -> Json:
        """Return nothing: nothing was computed."""
        return {}
