"""Source speech from parallel text: its short, clean sentences, spoken; the other pairs stay for MT."""

from __future__ import annotations

import functools
import logging
import os
import random
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import regex

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_dir
from stxfer.core.options import Spread
from stxfer.core.pool import worker_pool
from stxfer.core.stage import Stage
from stxfer.corpora.bitext.directory import PARTS, bitext_files, read_pairs, write_pairs
from stxfer.corpora.bitext.lines import Pair
from stxfer.corpora.synthetic.speakers import split_speakers
from stxfer.corpora.synthetic.speech import Room, speak_set
from stxfer.experiment.data import SpokenBitextOptions
from stxfer.experiment.layout import bitext_dir
from stxfer.text.normalise import normalise
from stxfer.text.profiles import PROFILES, Profile, profile

log = logging.getLogger(__name__)
DEFAULTS = SpokenBitextOptions()
LATIN = ("Latin",)
_NOT_PROSE = re.compile(r"https?:|www\.|\w\.(?:com|org|net)\b|[@#<>{}\[\]|\\_*=~^$%&+/]|\.\.\.|\u2026")
_PUNCTUATION = frozenset(" .,;:!?'\"()-\u2010\u2011\u2012\u2013\u2014\u2018\u2019\u201c\u201d\u00ab\u00bb")


def is_speakable(pair: Pair, options: SpokenBitextOptions, scripts: Collection[str] = LATIN) -> bool:
    """Tell whether a pair is a short, clean sentence that a synthesiser reads as it is written.

    There are no addresses, signs or symbols but plain punctuation, no words in capitals (they are spelt or not, who
    knows); the sides are not the same and not very different in length.

    Args:
        pair: source and target.
        options: the limits.
        scripts: those of the target's letters, in Unicode's words; the source's are Latin.
    """
    source, target = pair
    if not options.min_words <= len(source.split()) <= options.max_words:
        return False
    if max(len(source), len(target)) > options.max_chars or source == target:
        return False
    if not 0.5 <= len(target) / len(source) <= 2.0 or len(target.split()) < 2:
        return False
    return _is_prose(source, LATIN) and _is_prose(target, scripts or LATIN)


@functools.cache
def _of(scripts: tuple[str, ...]) -> regex.Pattern[str]:
    return regex.compile("[" + "".join(rf"\p{{Script={script}}}" for script in scripts) + "]*")


def _is_prose(text: str, scripts: Collection[str]) -> bool:
    if _NOT_PROSE.search(text) or any(len(word) > 1 and word.isupper() for word in text.split()):
        return False
    letters = [c for c in text if c.isalpha()]
    if len(letters) < 0.7 * len("".join(text.split())):
        return False
    if not _of(tuple(scripts)).fullmatch("".join(letters)):
        return False
    return all(c.isalnum() or c in _PUNCTUATION for c in text)


def split_bitext(parts: dict[str, list[Pair]], languages: Sequence[str], options: SpokenBitextOptions,
                 profiles: Mapping[str, Profile] = PROFILES) -> tuple[dict[str, list[Pair]], list[Pair]]:
    """Choose the pairs to be spoken, and those that are left to train MT on.

    No normalised sentence of dev or test, of either side, is spoken in train or left for MT; no sentence
    spoken in train is left for MT, unless ``options.keep`` says so.

    Args:
        parts: train, dev and test of the bitext.
        languages: codes of source and target.
        options: how many, how long.
        profiles: how text is normalised, by language.

    Returns:
        The spoken pairs by part, and the rest of train.
    """
    rules = [profile(lang, profiles) for lang in languages]

    def sides(pair: Pair) -> Pair:
        return normalise(pair[0], rules[0]), normalise(pair[1], rules[1])

    held = {side for part in ("dev", "test") for pair in parts[part] for side in sides(pair)}
    spoken: dict[str, list[Pair]] = {}
    for part, wanted in (("test", options.test_sentences), ("dev", options.dev_sentences),
                         ("train", options.train_sentences)):
        taken = held if part == "train" else {side for pair in spoken.get("test", []) for side in sides(pair)}
        speakable = (pair for pair in parts[part] if is_speakable(pair, options, rules[1].scripts))
        fitting = list(_new_sentences(speakable, sides, taken))
        chosen = sorted(random.Random(f"{options.seed} {part}").sample(range(len(fitting)),
                                                                       min(wanted, len(fitting))))
        spoken[part] = [fitting[k] for k in chosen]
        if len(fitting) < wanted:
            log.info("bitext %s: %d of %d pairs are short and clean, fewer than the %d asked for", part,
                     len(fitting), len(parts[part]), wanted)
    used = held if options.keep else held | {side for pair in spoken["train"] for side in sides(pair)}
    rest = [pair for pair in parts["train"] if used.isdisjoint(sides(pair))]
    return spoken, rest


def _new_sentences(pairs: Iterable[Pair], sides: Callable[[Pair], Pair], taken: set[str]) -> Iterator[Pair]:
    seen = set(taken)
    for pair in pairs:
        both = sides(pair)
        if seen.isdisjoint(both):
            seen.update(both)
            yield pair


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
        The number of spoken utterances by part, and of pairs left for MT (``bitext``).

    Raises:
        DataError: the bitext is absent or malformed, or has no short, clean sentence.
        StxferError: the synthesiser fails.
    """
    files = bitext_files(bitext, languages)
    parts = {part: read_pairs(bitext, part, languages) for part in PARTS}
    spoken, rest = split_bitext(parts, languages, options, profiles)
    for part, pairs in {**spoken, "train, for MT,": rest}.items():
        if not pairs:
            raise DataError(f"{bitext}: no pair of {part} is left after choosing sentences of {options.min_words} to "
                            f"{options.max_words} words and {options.max_chars} characters; widen these limits")
    out = Path(out)
    stage = Stage("rest of the spoken bitext", bitext_dir(out), files, Spread(options, {
        "languages": list(languages), "profiles": [profile(lang, profiles).identity for lang in languages]}))
    if stage.needed(force=force, allow_stale=allow_stale):
        with atomic_dir(bitext_dir(out)) as folder:
            for part in PARTS:
                write_pairs(folder, part, languages, rest if part == "train" else parts[part])
        stage.finish(bitext_files(bitext_dir(out), languages))
    people = split_speakers(languages[0], options.speakers, options.dev_speakers, options.test_speakers, options.seed)
    with worker_pool(nj) as pool:
        for part in PARTS:
            speak_set(out, f"{prefix}_{part}", [pair[0] for pair in spoken[part]], people[part],
                      texts={f"text.{languages[1]}.human": [pair[1] for pair in spoken[part]]},
                      room=Room(rate=options.rate), seed=options.seed, pool=pool, inputs=files, force=force,
                      allow_stale=allow_stale)
    return {**{part: len(pairs) for part, pairs in spoken.items()}, "bitext": len(rest)}
