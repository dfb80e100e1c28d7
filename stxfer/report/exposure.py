"""Where a system may have met a word: heard in target training, read in ST's text, read by a language model, nowhere.

What transfer through speech translation is said to give is words that target training does not have, which ST's decoder
has read; so errors are counted by where a word has been met.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from stxfer.audio.perturb import COPY
from stxfer.core.fresh import check_there
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import LM_TEXT, lm_dir, text_file
from stxfer.experiment.systems import System
from stxfer.experiment.variants import DecodedSystem
from stxfer.kaldi.table import iter_table

HEARD, READ_ST, READ_LM = "heard", "st", "lm"


def training_texts(experiment: Experiment, ways: Iterable[DecodedSystem], dump: Path,
                   exp: Path) -> dict[str, list[Path]]:
    """Return the texts in the target language that target systems have learnt from, where their directories are there.

    Args:
        experiment: what is declared.
        ways: the target systems, each with how it is decoded.
        dump: directory of texts and labels.
        exp: directory of the language models, of which the text that they were trained on is taken.

    Returns:
        By where words are met: ``heard``, the transcripts of target training; ``st``, what the systems that these start
        from, directly or through others, have written for speech of another language, and what is mixed into target
        training so; ``lm``. A share of a set, and labels that were filtered out, are not told apart from all of it; of
        speech whose hypotheses are learnt the transcripts count for nothing.

    Raises:
        StaleError: a text is not there any more, but what its stage has made beside it is.
    """
    found: dict[str, dict[tuple[Path, str], None]] = {HEARD: {}, READ_ST: {}, READ_LM: {}}
    for way in ways:
        system: System | None = way.system
        while system is not None:
            for part in system.mixture:
                if not part.by and part.text.partition(".")[0] == experiment.target_lang:
                    path = text_file(part, dump)
                    found[READ_ST if part.label else HEARD][path.parent, path.name] = None
            system = experiment.systems[system.parent] if system.parent else None
        if way.options.lm:
            found[READ_LM][lm_dir(exp, way.options.lm), LM_TEXT] = None
    for directory, name in (file for files in found.values() for file in files):
        check_there(directory, name)
    return {where: [directory / name for directory, name in files if (directory / name).exists()]
            for where, files in found.items()}


def word_counts(paths: Iterable[Path]) -> Counter[str]:
    """Return how often each word stands in texts; copies at other speeds, and what sets share, are counted once."""
    counts: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    for path in paths:
        for utt, text in iter_table(path):
            copy = COPY.fullmatch(utt)
            original = copy[2] if copy else utt
            if (original, text) not in seen:
                seen.add((original, text))
                counts.update(text.split())
    return counts
