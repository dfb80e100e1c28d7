"""What an ESPnet 2 experiment directory has decoded, by which model, and what it says of its own scores.

An experiment, ``exp/asr_train_...``, has ``config.yaml`` and, for each way of decoding, ``decode_.../<set>/text`` with
a hypothesis an utterance (development sets: ``decode_.../org/<set>/text``); ``score_wer/ref.trn`` beside it holds the
references as ESPnet has scored them, and ``RESULTS.md``, in the directory or above it, a table of error rates.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stxfer.core.errors import DataError
from stxfer.kaldi.table import read_table

CONFIG, TEXT, RESULTS = "config.yaml", "text", "RESULTS.md"
SHOWN = ("encoder", "decoder", "token_type", "bpemodel", "max_epoch", "version")  # of config.yaml
_ROW = re.compile(r"^\|\s*([^|\s]+)\s*((?:\|\s*[\d.]+\s*){8})\|\s*$")
_TRN = re.compile(r"^(.*?)\s*\((\S+)\)\s*$")


@dataclass(frozen=True)
class Decoded:
    """Hypotheses of an ESPnet experiment.

    Attributes:
        path: their table.
        hyps: utterance to text, as ESPnet has written it.
        model: what ``config.yaml`` says of the model, some keys of it.
        wer: ESPnet's own word error rate of them, percent, and the reference words it counted; None: none was found.
        refs: the references that ESPnet has scored them against; empty: they are not there.
    """

    path: Path
    hyps: dict[str, str]
    model: dict[str, Any]
    wer: tuple[float, int] | None
    refs: dict[str, str]


def read_espnet(directory: Path, utts: Collection[str], hypotheses: str = "") -> Decoded:
    """Read the hypotheses of an experiment for a test set.

    Args:
        directory: of the experiment.
        utts: the utterances of the test set, by which it is found.
        hypotheses: ``<decode>/<set>``, where there are several.

    Raises:
        DataError: it is no experiment, has no hypotheses, several that fit or none, or not one for each utterance.
    """
    model = _config(directory / CONFIG)
    tables = {path.parent.relative_to(directory).as_posix(): path
              for pattern in ("*/*/text", "*/org/*/text") for path in sorted(directory.glob(pattern))
              if "logdir" not in path.parts}
    if not tables:
        raise DataError(f"{directory}: an ESPnet experiment without hypotheses (decode_*/<set>/{TEXT}); run ESPnet's "
                        "decoding stage, or give the directory that it has decoded in")
    if hypotheses:
        if hypotheses not in tables:
            raise DataError(f"{directory}: no hypotheses {hypotheses!r}; there are {', '.join(tables)}")
        tables = {hypotheses: tables[hypotheses]}
    fitting = {name: table for name, path in tables.items() if (table := read_table(path)).keys() & set(utts)}
    if not fitting:
        raise DataError(f"{directory}: none of its hypotheses ({', '.join(tables)}) is for an utterance of the test "
                        f"set, e.g. {min(utts)}; decode this set with ESPnet, under the same utterance names")
    if len(fitting) > 1:
        raise DataError(f"{directory}: several hypotheses are for this test set, {', '.join(fitting)}; choose one with "
                        "--hypotheses")
    name, hyps = next(iter(fitting.items()))
    check_utterances(tables[name], hyps, utts)
    return Decoded(tables[name], hyps, model, _own_wer(directory, name), _own_references(tables[name], utts))


def check_utterances(path: Path, hyps: Collection[str], utts: Collection[str]) -> None:
    """Raise DataError unless a table of hypotheses has one for each utterance of the test set, and no other."""
    for what, odd in (("no hypothesis for", sorted(set(utts) - set(hyps))),
                      ("a hypothesis for, beside the test set's,", sorted(set(hyps) - set(utts)))):
        if odd:
            raise DataError(f"{path}: {what} {len(odd)} utterance{'s' if len(odd) > 1 else ''}, e.g. {odd[0]}; "
                            "systems are compared on the same utterances, decode exactly those of the test set")


def _config(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path.parent}: no ESPnet experiment directory, it has no {path.name}; give "
                        "exp/asr_train_... of an ESPnet recipe") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({' '.join(str(error).split())})") from None
    if not isinstance(config, dict):
        raise DataError(f"{path}: not the configuration of an ESPnet model")
    return {key: config[key] for key in SHOWN if isinstance(config.get(key), str | int)}


def _own_wer(directory: Path, name: str) -> tuple[float, int] | None:
    """Return ESPnet's own figure of ``<decode>/<set>``, from the table of this experiment under "WER"."""
    for path in (directory / RESULTS, directory.parent / RESULTS):
        experiment, metric = "", ""
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
            if line.startswith("## "):
                experiment, metric = line[3:].strip().rpartition("/")[2], ""
            elif line.startswith("### "):
                metric = line[4:].strip()
            elif metric == "WER" and experiment == directory.name and (row := _ROW.match(line)) and row[1] == name:
                numbers = [float(cell) for cell in row[2].split("|") if cell.strip()]
                return numbers[6], int(numbers[1])  # Snt Wrd Corr Sub Del Ins Err S.Err
    return None


def _own_references(hypotheses: Path, utts: Collection[str]) -> dict[str, str]:
    """Return ESPnet's references; they are called ``<speaker>-<utterance>``, of which both may have hyphens."""
    path = hypotheses.parent / "score_wer" / "ref.trn"
    known, found = set(utts), {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
        if match := _TRN.match(line):
            name = match[2]
            while name and name not in known:
                name = name.partition("-")[2]
            if name:
                found[name] = match[1]
    return found
