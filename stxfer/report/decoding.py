"""How the hypotheses that are compared were decoded, where it was with a language model or with tuned options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stxfer.core.records import read_record
from stxfer.experiment.layout import DECODED, TUNING
from stxfer.experiment.records import Decoded, Tuned

SHOWN = ("lm", "lm_weight", "length_bonus", "ctc_weight")


def decoding_facts(decoded: Path) -> dict[str, Any]:
    """Return what ``results.json`` says of a run's decoding.

    Args:
        decoded: the directory of its hypotheses.

    Returns:
        ``lm`` ("" for none), ``lm_weight`` (None without one), ``length_bonus``, ``ctc_weight``, and ``tuned_on``, the
        development set that they were chosen on (None: they were given). None stands for what was not recorded.
    """
    options = read_record(decoded / DECODED, Decoded).get("options", {}) if (decoded / DECODED).exists() else {}
    facts: dict[str, Any] = {key: options.get(key) for key in SHOWN}
    if not facts["lm"]:
        facts["lm_weight"] = None
    return {**facts, "tuned_on": read_record(decoded / TUNING, Tuned)["set"] if (decoded / TUNING).exists() else None}


def decoding_table(runs: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Return a row (the first is the header) for each system; of several seeds with other values, all values.

    There are none but the header where nothing was tuned and no language model was used.
    """
    table = [["system", "language model", *(key.replace("_", " ") for key in SHOWN[1:]), "tuned on"]]
    systems: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        systems.setdefault(run["system"], []).append(run)
    if not any(run["lm"] or run["tuned_on"] for of_system in systems.values() for run in of_system):
        return table
    for name, of_system in systems.items():
        table.append([name, *(", ".join(dict.fromkeys(_shown(run[key]) for run in of_system))
                              for key in (*SHOWN, "tuned_on"))])
    return table


def _shown(value: Any) -> str:
    return "-" if value in (None, "") else value if isinstance(value, str) else f"{value:g}"
