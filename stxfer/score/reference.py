"""What a system's hypotheses are scored against; a corpus without human translations has nothing for ST."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from stxfer.core.marker import is_expected
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import TEXT, features_dir, human_text
from stxfer.experiment.systems import System
from stxfer.experiment.variants import DecodedSystem

log = logging.getLogger(__name__)


def reference_path(experiment: Experiment, system: System, dump: Path, name: str = "") -> Path:
    """Return the text that a set, the system's test set, is scored against: transcripts or, for ST, translations."""
    name = name or system.test_set
    if system.task == "st":
        return human_text(dump, name, experiment.target_lang)
    return features_dir(dump, name) / TEXT


def has_reference(experiment: Experiment, system: System, dump: Path) -> bool:
    """Whether a system can be scored: not the control of text alone, and not ST without a translated test set.

    ST on a test set that is there, but untranslated, cannot be: a test set that is not there at all is a stage
    not run, which is an error of its own.
    """
    if system.task == "text":
        return False
    path = reference_path(experiment, system, dump)
    return is_expected(path) or not path.with_name(TEXT).exists()


def scorable(experiment: Experiment, systems: Iterable[DecodedSystem], dump: Path) -> list[DecodedSystem]:
    """Return the systems that can be scored, and log a line about each of the others."""
    kept = []
    for decoded in systems:
        system = decoded.system
        if system.task == "text":
            log.info("%s: skipped, it is trained on text alone; what starts from it is scored", system.name)
        elif has_reference(experiment, system, dump):
            kept.append(decoded)
        else:
            path = reference_path(experiment, system, dump)
            log.info("%s: skipped, %s has no %s to score translations against", decoded.name, path.parent, path.name)
    return kept
