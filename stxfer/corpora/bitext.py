"""Parallel text: ``{train,dev,test}.<source>`` beside ``.<target>``, one sentence a line, aligned."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from stxfer.errors import DataError
from stxfer.fileio import atomic_dir, atomic_write, read_json, write_json
from stxfer.leaks import find_leaks, leak_report, stop_at_leaks
from stxfer.stage import Stage
from stxfer.text.normalise import PROFILES, Profile, normalise, profile

PARTS = ("train", "dev", "test")
MAX_WORDS, MAX_RATIO, SHORT = 100, 3.0, 8
Pair = tuple[str, str]


def bitext_files(directory: str | os.PathLike[str], languages: Sequence[str]) -> list[Path]:
    """Return the files of a bitext, both sides of train, dev and test.

    Raises:
        DataError: one is absent.
    """
    files = [Path(directory) / f"{part}.{lang}" for part in PARTS for lang in languages]
    for path in files:
        if not path.is_file():
            raise DataError(f"{path}: no such file; a bitext is {{{','.join(PARTS)}}}.{{{','.join(languages)}}}, "
                            "one sentence a line")
    return files


def read_pairs(directory: str | os.PathLike[str], part: str, languages: Sequence[str]) -> list[Pair]:
    """Return the sentence pairs of one part, white space collapsed; either side may be empty.

    Raises:
        DataError: a file is absent or not UTF-8, or the sides differ in their number of lines.
    """
    source, target = (Path(directory) / f"{part}.{lang}" for lang in languages)
    sides = _read_lines(source), _read_lines(target)
    if len(sides[0]) != len(sides[1]):
        raise DataError(f"{source} has {len(sides[0])} lines and {target} has {len(sides[1])}; "
                        "line n of one must translate line n of the other")
    return list(zip(*sides, strict=True))


def _read_lines(path: Path) -> list[str]:
    try:
        with open(path, encoding="utf-8", newline="\n") as handle:  # U+2028 and \r within a line do not end it
            return [" ".join(line.split()) for line in handle]
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); convert it with iconv") from None


def write_pairs(directory: Path, part: str, languages: Sequence[str], pairs: Sequence[Pair]) -> None:
    """Write one part's two files."""
    for side, lang in enumerate(languages):
        with atomic_write(directory / f"{part}.{lang}") as handle:
            handle.writelines(f"{pair[side]}\n" for pair in pairs)


def clean_pairs(pairs: Sequence[Pair], held_out: Container[str]) -> tuple[list[Pair], Counter[str]]:
    """Drop pairs that MT should not learn from.

    Args:
        pairs: normalised sentence pairs.
        held_out: sentences of dev and test sets, of either language.

    Returns:
        The pairs kept, in order, and how many were dropped by reason: ``empty`` side, ``long`` (over 100
        words), ``ratio`` (one side over 8 words and over 3 times the other), ``duplicate``, ``held_out``.
    """
    kept: dict[Pair, None] = {}
    dropped: Counter[str] = Counter()
    for pair in pairs:
        short, long = sorted(len(side.split()) for side in pair)
        if short == 0:
            dropped["empty"] += 1
        elif pair[0] in held_out or pair[1] in held_out:
            dropped["held_out"] += 1
        elif long > MAX_WORDS:
            dropped["long"] += 1
        elif long > SHORT and long > MAX_RATIO * short:
            dropped["ratio"] += 1
        elif pair in kept:
            dropped["duplicate"] += 1
        else:
            kept[pair] = None
    return list(kept), dropped


def prepare_bitext(corpus: str | os.PathLike[str], out: str | os.PathLike[str], languages: Sequence[str], *,
                   force: bool = False, allow_stale: bool = False) -> dict[str, int]:
    """Check a bitext and copy it to ``out``, which is replaced as a whole.

    Args:
        corpus: folder of ``{train,dev,test}.<lang>``.
        out: folder to write, ``data/bitext``.
        languages: codes of the source and the target language, the files' suffixes.
        force: do it again although it is finished.
        allow_stale: see :class:`stxfer.stage.Stage`.

    Returns:
        The number of pairs in each part.

    Raises:
        DataError: a file is absent, not UTF-8 or empty, or the sides differ in length.
    """
    if not Path(corpus).is_dir():
        raise DataError(f"{corpus}: no such folder; give --corpus the folder that holds train.{languages[0]} "
                        f"and train.{languages[1]}")
    out = Path(out)
    stage = Stage("bitext", out, bitext_files(corpus, languages), {"languages": list(languages)})
    parts = {part: read_pairs(corpus, part, languages) for part in PARTS}
    for part, pairs in parts.items():
        if not pairs:
            raise DataError(f"{Path(corpus) / part}.{languages[0]}: holds no sentences")
    if stage.needed(force=force, allow_stale=allow_stale):
        with atomic_dir(out) as directory:
            for part, pairs in parts.items():
                write_pairs(directory, part, languages, pairs)
        stage.finish(bitext_files(out, languages))
    return {part: len(pairs) for part, pairs in parts.items()}


def clean_bitext(raw: str | os.PathLike[str], out: str | os.PathLike[str], languages: Sequence[str],
                 held_out: Mapping[str, str], sources: Sequence[Path], *, leaks: str = "remove",
                 profiles: Mapping[str, Profile] = PROFILES, force: bool = False,
                 allow_stale: bool = False) -> dict[str, Any]:
    """Normalise a bitext and clean its training part.

    Of dev and test only pairs with an empty side are dropped: what is scored is not chosen here. ``out``
    receives the six files and ``dropped.json``, the counts by part and reason.

    Args:
        raw: folder of ``{train,dev,test}.<lang>``.
        out: folder to write, replaced as a whole.
        languages: codes of the source and the target language.
        held_out: normalised sentences that the training part must not hold, each with the file it stands in;
            those of the bitext's own dev and test are added.
        sources: the files that ``held_out`` was read from.
        leaks: what becomes of pairs with such a sentence: ``remove``, ``report`` or ``stop``.
        profiles: how text is normalised, by language.
        force: do it again although it is finished.
        allow_stale: see :class:`stxfer.stage.Stage`.

    Returns:
        The number of pairs by part, and ``leaks``, see :func:`stxfer.leaks.leak_report`.

    Raises:
        DataError: malformed input (see :func:`prepare_bitext`), nothing is left of a part, or a leak where
            ``leaks`` is ``stop``.
    """
    raw, out = Path(raw), Path(out)
    rules = [profile(lang, profiles) for lang in languages]
    stage = Stage("prepare bitext", out, [*bitext_files(raw, languages), *sources],
                  {"languages": list(languages), "profiles": [rule.identity for rule in rules], "leaks": leaks})
    if stage.needed(force=force, allow_stale=allow_stale):
        parts = {part: [(normalise(a, rules[0]), normalise(b, rules[1])) for a, b in read_pairs(raw, part, languages)]
                 for part in PARTS}
        forbidden = dict(held_out)
        for part in PARTS[1:]:
            forbidden = {side: f"bitext/{part}" for pair in parts[part] for side in pair} | forbidden
        found = list(find_leaks({k: pair for k, pair in enumerate(parts["train"]) if all(pair)}, forbidden).values())
        if leaks == "stop":
            stop_at_leaks(raw, found)
        elif leaks == "report":
            forbidden = {}
        report = {}
        for part, pairs in parts.items():
            parts[part], dropped = clean_pairs(pairs, forbidden) if part == "train" else _drop_empty(pairs)
            if not parts[part]:
                raise DataError(f"{raw}: no pair of {part} is left of {len(pairs)} (dropped: {dict(dropped)})")
            report[part] = {"n_raw": len(pairs), "n_pairs": len(parts[part]), "dropped": dict(sorted(dropped.items()))}
        with atomic_dir(out) as directory:
            for part, pairs in parts.items():
                write_pairs(directory, part, languages, pairs)
            write_json(directory / "dropped.json", report)
        stage.finish([*bitext_files(out, languages), out / "dropped.json"],
                     figures={**{part: len(pairs) for part, pairs in parts.items()}, "leaks": leak_report(found)})
    figures: dict[str, Any] = read_json(stage.marker)["figures"]
    return figures


def _drop_empty(pairs: Sequence[Pair]) -> tuple[list[Pair], Counter[str]]:
    kept = [pair for pair in pairs if all(pair)]
    return kept, Counter(empty=len(pairs) - len(kept))
