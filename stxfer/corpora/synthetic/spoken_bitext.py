"""Source speech from parallel text: its short, clean sentences, spoken; the other pairs stay for MT."""

from __future__ import annotations

import logging
import os
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_dir, atomic_write
from stxfer.core.options import Spread
from stxfer.core.pool import worker_pool
from stxfer.core.stage import Stage
from stxfer.corpora.bitext.directory import PARTS, bitext_files, read_pairs, write_pairs
from stxfer.corpora.bitext.lines import Pair
from stxfer.corpora.synthetic.speakable import spoken_scripts, why_not_spoken
from stxfer.corpora.synthetic.speakers import split_speakers
from stxfer.corpora.synthetic.speech import Room, speak_set
from stxfer.experiment.data import SpokenBitextOptions
from stxfer.experiment.layout import bitext_dir
from stxfer.text.normalise import normalise, written
from stxfer.text.profiles import PROFILES, Profile, of_bitext, profile

log = logging.getLogger(__name__)
DEFAULTS = SpokenBitextOptions()
LEFT_OUT = "not_spoken.tsv"
_VERSION = 2  # of how sentences are chosen


@dataclass(frozen=True)
class Split:
    """What becomes of a bitext.

    Attributes:
        spoken: the pairs to be spoken, by part, without annotation.
        rest: the pairs of train that are left for MT, as they were.
        not_spoken: of each part the pairs that are not spoken, each with its reason: those of
            :func:`stxfer.corpora.synthetic.speakable.why_not_spoken`, ``repeated`` (a side stands in another pair that
            can be spoken, or is held out) and ``not drawn`` (more can be spoken than are wanted).
        held_out: the number of pairs of train that MT does not get, as a side of theirs is one of dev, test or, unless
            spoken pairs are kept, of a sentence spoken in train.
    """

    spoken: dict[str, list[Pair]]
    rest: list[Pair]
    not_spoken: dict[str, list[tuple[str, Pair]]]
    held_out: int


def split_bitext(parts: Mapping[str, Sequence[Pair]], languages: Sequence[str], options: SpokenBitextOptions,
                 profiles: Mapping[str, Profile] = PROFILES) -> Split:
    """Choose the pairs to be spoken, and those that are left to train MT on.

    Pairs are judged, and spoken, without annotation, by the rules of bitexts
    (:func:`stxfer.text.profiles.of_bitext`). No normalised sentence of dev or test, of either side, is spoken in train
    or left for MT; no sentence spoken in train is left for MT, unless ``options.keep`` says so.

    Args:
        parts: train, dev and test of the bitext.
        languages: codes of source and target.
        options: how many, how long.
        profiles: how text is normalised, by language.
    """
    rules = [of_bitext(profile(lang, profiles)) for lang in languages]
    scripts = spoken_scripts((source for pairs in parts.values() for source, _ in pairs), rules[0])

    def sides(pair: Pair) -> Pair:
        return normalise(pair[0], rules[0]), normalise(pair[1], rules[1])

    held = {side for part in ("dev", "test") for pair in parts[part] for side in sides(pair)}
    spoken: dict[str, list[Pair]] = {}
    not_spoken: dict[str, list[tuple[str, Pair]]] = {}
    for part, wanted in (("test", options.test_sentences), ("dev", options.dev_sentences),
                         ("train", options.train_sentences)):
        seen = set(held) if part == "train" else {side for pair in spoken.get("test", []) for side in sides(pair)}
        fitting: list[Pair] = []
        reasons = not_spoken[part] = []
        for raw in parts[part]:
            pair = written(raw[0], rules[0]), written(raw[1], rules[1])
            reason = why_not_spoken(pair, options, rules, scripts)
            if reason is None and not seen.isdisjoint(both := sides(pair)):
                reason = "repeated"
            if reason is not None:
                reasons.append((reason, raw))
                continue
            seen.update(both)
            fitting.append(pair)
        chosen = set(random.Random(f"{options.seed} {part}").sample(range(len(fitting)), min(wanted, len(fitting))))
        spoken[part] = [pair for k, pair in enumerate(fitting) if k in chosen]
        reasons += [("not drawn", pair) for k, pair in enumerate(fitting) if k not in chosen]
        counts = Counter(reason for reason, _ in reasons)
        log.info("bitext %s: %d of %d pairs are spoken, %d were asked for; the others: %s", part, len(spoken[part]),
                 len(parts[part]), wanted, ", ".join(f"{reason} {n}" for reason, n in counts.most_common()) or "none")
    used = held if options.keep else held | {side for pair in spoken["train"] for side in sides(pair)}
    rest = [pair for pair in parts["train"] if used.isdisjoint(sides(pair))]
    return Split(spoken, rest, not_spoken, len(parts["train"]) - len(rest))


def speak_bitext(bitext: str | os.PathLike[str], out: str | os.PathLike[str], languages: tuple[str, str],
                 options: SpokenBitextOptions = DEFAULTS, *, prefix: str = "src",
                 profiles: Mapping[str, Profile] = PROFILES, nj: int = 1, force: bool = False,
                 allow_stale: bool = False) -> dict[str, int]:
    """Make ``out/<prefix>_{train,dev,test}`` with ``text.<target>.human``, and ``out/bitext`` of the other pairs.

    Args:
        bitext: folder of ``{train,dev,test}.<lang>``.
        out: the data directory of the recipe.
        languages: codes of source (one that espeak-ng speaks) and target.
        options: which sentences, how many, by whom.
        prefix: what the names of the sets begin with.
        profiles: how text is normalised, by language, when sentences are compared.
        nj: processes; the result does not depend on it.
        force: make everything again.
        allow_stale: see :meth:`stxfer.core.stage.Stage.needed`.

    Returns:
        The number of spoken utterances by part, of pairs left for MT (``bitext``) and of those that MT does not get
        (``held_out``). The pairs that are not spoken are listed, with reasons, in ``<out>/bitext/not_spoken.tsv``.

    Raises:
        DataError: the bitext is absent or malformed, or has no short, clean sentence.
        StxferError: the synthesiser fails.
    """
    files = bitext_files(bitext, languages)
    parts = {part: read_pairs(bitext, part, languages) for part in PARTS}
    split = split_bitext(parts, languages, options, profiles)
    for part, pairs in {**split.spoken, "train, for MT,": split.rest}.items():
        if not pairs:
            why = Counter(reason for reason, _ in split.not_spoken.get(part, ())).most_common(3)
            raise DataError(f"{bitext}: no pair of {part} is left after choosing sentences of {options.min_words} to "
                            f"{options.max_words} words and {options.max_chars} characters; widen these limits"
                            + (f" (most are left out for: {', '.join(f'{reason} {n}' for reason, n in why)})"
                               if why else ""))
    out = Path(out)
    stage = Stage("rest of the spoken bitext", bitext_dir(out), files, Spread(options, {
        "languages": list(languages), "profiles": [profile(lang, profiles).identity for lang in languages],
        "version": _VERSION}), "data")
    if stage.needed(force=force, allow_stale=allow_stale):
        with atomic_dir(bitext_dir(out)) as folder:
            for part in PARTS:
                write_pairs(folder, part, languages, split.rest if part == "train" else parts[part])
            with atomic_write(folder / LEFT_OUT) as handle:
                for part in PARTS:
                    handle.writelines(f"{part}\t{reason}\t{source}\t{target}\n"
                                      for reason, (source, target) in split.not_spoken[part])
        stage.finish(bitext_files(bitext_dir(out), languages))
    people = split_speakers(languages[0], options.speakers, options.dev_speakers, options.test_speakers, options.seed)
    with worker_pool(nj) as pool:
        for part in PARTS:
            speak_set(out, f"{prefix}_{part}", [pair[0] for pair in split.spoken[part]], people[part],
                      texts={f"text.{languages[1]}.human": [pair[1] for pair in split.spoken[part]]},
                      room=Room(rate=options.rate), seed=options.seed, pool=pool, inputs=files, force=force,
                      allow_stale=allow_stale)
    return {**{part: len(pairs) for part, pairs in split.spoken.items()}, "bitext": len(split.rest),
            "held_out": split.held_out}
