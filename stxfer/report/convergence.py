"""Whether a system was trained until it converged, and how many of its hypotheses cannot be right whatever was said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stxfer.core.records import read_record
from stxfer.experiment.layout import DECODED, INFO
from stxfer.experiment.records import Decoded, ModelInfo

LAST = 0.25  # of the last phase's epochs: what is held against the epochs before
BOUND = 0.02  # a relative fall of the dev set's errors above it: the curve still fell


@dataclass(frozen=True)
class Ending:
    """How the curve of a training's last phase ends.

    Attributes:
        measure: of the development set: ``wer``, where it was measured, ``accuracy`` (its errors, 1 - accuracy) or
            ``loss``.
        epochs: of the last phase.
        last: so many of them are held against those before.
        fall: how much lower the lowest error of the ``last`` epochs is than the lowest before them, relative to that;
            below 0 if it is higher, None if there is but one epoch.
        stopped_early: ``patience`` ended the phase.
    """

    measure: str
    epochs: int
    last: int
    fall: float | None
    stopped_early: bool

    @property
    def still_falling(self) -> bool | None:
        """Whether more training would probably have helped; None if that cannot be told.

        A phase that its patience ended is converged by its own criterion.
        """
        return None if self.fall is None else self.fall > BOUND and not self.stopped_early


def ending(info: Mapping[str, Any]) -> Ending | None:
    """Return how the training ended whose ``model.json`` this is; None if it holds no figures of a development set."""
    rows: Sequence[Mapping[str, Any]] = info.get("epochs", ())
    rows = [row for row in rows if row["phase"] == rows[-1]["phase"]]
    for measure, key in (("wer", "valid_wer"), ("accuracy", "valid_acc"), ("loss", "valid_loss")):
        if rows and all(key in row for row in rows):
            errors = [1 - row[key] if measure == "accuracy" else row[key] for row in rows]
            last = max(1, round(LAST * len(errors)))
            before = min(errors[:-last], default=None)
            fall = None if before is None else (before - min(errors[-last:])) / before if before else 0.0
            return Ending(measure, len(errors), last, fall, bool(info.get("stopped_early")))
    return None


def run_facts(system: str, seed: int, model: Path | None, decoded: Path) -> dict[str, Any]:
    """Return what ``results.json`` says of a run's training and hypotheses.

    Args:
        system, seed: which run it is.
        model: its directory; None for a variant of decoding, whose training stands at the system itself.
        decoded: that of its hypotheses; it need not be there.

    Returns:
        The fields of :class:`Ending` and ``still_falling``; ``hypotheses``, ``loops`` and ``empty``, numbers of
        utterances. None stands for what was not recorded.
    """
    found = ending(read_record(model / INFO, ModelInfo)) if model is not None and (model / INFO).exists() else None
    facts = dict.fromkeys(Ending.__dataclass_fields__) if found is None else asdict(found)
    counted = read_record(decoded / DECODED, Decoded) if (decoded / DECODED).exists() else {}
    return {"system": system, "seed": seed, **facts, "still_falling": found and found.still_falling,
            "hypotheses": counted.get("utterances"), "loops": counted.get("loops"), "empty": counted.get("empty")}


def facts_table(runs: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Return a row (the first is the header) for each system, its seeds together; of curves, that which fell most."""
    table = [["system", "epochs", "dev measure", "fall %", "still falling", "hypotheses", "loops", "empty"]]
    for name, of_system in _by_system(runs).items():
        most = max(of_system, key=lambda run: -1e9 if run["fall"] is None else run["fall"])
        falling = {run["still_falling"] for run in of_system}
        ended = ", stopped" if most["stopped_early"] else ""
        table.append([name, "-" if most["epochs"] is None else f"{most['epochs']}{ended}", most["measure"] or "-",
                      "-" if most["fall"] is None else f"{100 * most['fall']:+.1f}",
                      "yes" if True in falling else "-" if None in falling else "no",
                      *(_sum(of_system, key) for key in ("hypotheses", "loops", "empty"))])
    return table


def warnings(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return sentences on systems that were not trained to the end, and on those with loops or empty hypotheses."""
    systems = _by_system(runs)
    falling = [name for name, of_system in systems.items() if any(run["still_falling"] for run in of_system)]
    said = [f"still improving when training stopped, so that more training may change the order: {', '.join(falling)}"
            ] if falling else []
    for key, what in (("loops", "hypotheses that loop"), ("empty", "empty hypotheses")):
        counts = [f"{name} {_sum(of_system, key)} of {_sum(of_system, 'hypotheses')}"
                  for name, of_system in systems.items() if any(run[key] for run in of_system)]
        said += [f"{what}: {', '.join(counts)}"] if counts else []
    return said


def _by_system(runs: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    systems: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        systems.setdefault(run["system"], []).append(run)
    return systems


def _sum(of_system: Iterable[Mapping[str, Any]], key: str) -> str:
    values = [run[key] for run in of_system]
    return "-" if None in values else f"{sum(values):,}"
