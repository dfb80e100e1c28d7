"""Miniatures of public corpora in their true layouts, spoken by the synthesiser."""

from __future__ import annotations

import csv
import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr

from stxfer.corpora.synthetic.espeak import SAMPLE_RATE, synthesise

VOICES = ("f1", "m1", "f2", "m3", "f3", "m5", "f4", "m7")
SPLITS = ("train", "dev", "test")
_VOTES = "up_votes down_votes age gender"
#: Common Voice's releases where the layout changed: folder in the archive, columns, the file of durations.
RELEASES = {
    "4": ("", f"client_id path sentence {_VOTES} accent", ""),
    "5.1": ("cv-corpus-5.1-2020-06-22", f"client_id path sentence {_VOTES} accent locale segment", ""),
    "8.0": ("cv-corpus-8.0-2022-01-19", f"client_id path sentence {_VOTES} accents locale segment", ""),
    "14.0": ("cv-corpus-14.0-2023-06-23", f"client_id path sentence {_VOTES} accents variant locale segment",
             "times.txt"),
    "16.1": ("cv-corpus-16.1-2023-12-06", f"client_id path sentence {_VOTES} accents variant locale segment",
             "clip_durations.tsv"),
    "17.0": ("cv-corpus-17.0-2024-03-15",
             f"client_id path sentence_id sentence sentence_domain {_VOTES} accents variant locale segment",
             "clip_durations.tsv"),
    "25.0": ("cv-corpus-25.0-2026-03-09",
             f"client_id path sentence_id sentence sentence_domain {_VOTES} accents variant locale segment",
             "clip_durations.tsv"),
}
#: Columns of spontaneous speech.
SPONTANEOUS = ("client_id audio_id audio_file duration_ms prompt_id prompt transcription votes age gender accents "
               "variant language prompt_upvotes prompt_reports is_edited split char_per_sec quality_tags")
FORMATS = {".mp3": {"format": "MP3"}, ".wav": {"format": "WAV"}, ".opus": {"format": "OGG", "subtype": "OPUS"}}
Rows = Mapping[str, Sequence[tuple[str, str]]]


def client_id(speaker: str) -> str:
    """Return a client id as Common Voice's: 128 hexadecimal digits."""
    return hashlib.sha512(speaker.encode()).hexdigest()


def speak(path: Path, text: str, voice: str, rate: int) -> int:
    """Write a clip, in the format of its suffix, at ``rate`` Hz; return its number of samples."""
    samples = soxr.resample(synthesise(text, voice).astype(np.float32) / 32768, SAMPLE_RATE, rate)
    soundfile.write(path, samples, rate, **FORMATS[path.suffix])
    return len(samples)


def write_tsv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> Path:
    """Write a table as Common Voice's: nothing quoted, columns without a value empty."""
    lines = ["\t".join(columns), *("\t".join(row.get(name, "") for name in columns) for row in rows)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def read_tsv(path: Path) -> list[dict[str, str]]:
    """Read a table as Common Voice's."""
    with open(path, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))


def common_voice(root: Path, language: str, rows: Rows, *, release: str = "17.0", voice: str | None = None,
                 first: int = 18000001) -> Path:
    """Make one language of a release: tables, MP3 clips, durations.

    Args:
        root: where the archive would be unpacked.
        language: its code, in names and in the column ``locale``.
        rows: (speaker, sentence) of the tables ``train dev test``; ``validated.tsv`` holds them all and the further
            rows given as ``validated``; ``invalidated`` and ``other`` may be given too.
        release: a key of :data:`RELEASES`.
        voice: espeak's language; None: ``language``.
        first: number of the first clip.

    Returns:
        The folder of the tables and of ``clips/``.
    """
    def say(clip: Path, sentence: str, speaker: int) -> float:
        return speak(clip, sentence, f"{voice or language}+{VOICES[speaker % len(VOICES)]}", 32000) / 32

    return _release(root, language, rows, release, first, say)


def clone(source: Path, root: Path, language: str, rows: Rows, *, release: str = "17.0") -> Path:
    """Make one language of a release as :func:`common_voice` does, its clips the audio of another language's.

    Args:
        source: the folder of a language, with at least as many clips.
        root: as of :func:`common_voice`, as are the others.
        language: its code.
        rows: of the tables.
        release: a key of :data:`RELEASES`.
    """
    clips = iter(sorted((source / "clips").iterdir()))

    def copy(clip: Path, sentence: str, speaker: int) -> float:
        shutil.copyfile(next(clips), clip)
        return soundfile.info(clip).duration * 1000

    return _release(root, language, rows, release, 18000001, copy)


def _release(root: Path, language: str, rows: Rows, release: str, first: int,
             make: Callable[[Path, str, int], float]) -> Path:
    """Write the tables and, by ``make``, which is given file, sentence and speaker and returns milliseconds, clips."""
    archive, columns, durations = RELEASES[release]
    folder = root / archive / language if archive else root / language
    (folder / "clips").mkdir(parents=True)
    speakers = list(dict.fromkeys(speaker for table in rows.values() for speaker, _ in table))
    tables: dict[str, list[dict[str, str]]] = {}
    milliseconds: dict[str, float] = {}
    for name, table in rows.items():
        tables[name] = []
        for speaker, sentence in table:
            clip = f"common_voice_{language}_{first + len(milliseconds)}.mp3"
            milliseconds[clip] = make(folder / "clips" / clip, sentence, speakers.index(speaker))
            tables[name].append({"client_id": client_id(speaker), "path": clip, "sentence": sentence, "up_votes": "2",
                                 "down_votes": "0", "locale": language, "sentence_id": client_id(sentence)[:64]})
    own = [row for name in SPLITS for row in tables.get(name, [])]
    tables["validated"] = [*own, *tables.get("validated", [])]
    for name in (*SPLITS, "validated", "invalidated", "other"):
        write_tsv(folder / f"{name}.tsv", columns.split(), tables.get(name, []))
    write_tsv(folder / "reported.tsv", ["sentence", "sentence_id", "locale", "reason"], [])
    if durations == "times.txt":
        (folder / durations).write_text("".join(
            f"`/release/{language}/clips/{clip}` = {round(value)}\n" for clip, value in milliseconds.items()))
    elif durations:
        write_tsv(folder / durations, ["clip", "duration[ms]"],
                  [{"clip": clip, "duration[ms]": str(round(value))} for clip, value in milliseconds.items()])
    return folder


def spontaneous_speech(root: Path, language: str, rows: Sequence[tuple[str, str, str]], *,
                       name: str = "spontaneous-speech-{language}-{}.mp3") -> Path:
    """Make one language of a release of spontaneous speech, its clips empty files that are said to last 2.5 s.

    Args:
        root: where the archive would be unpacked.
        language: its code.
        rows: (speaker, transcription, split).
        name: of the clips, by their number.

    Returns:
        The folder of the table and of ``audios/``.
    """
    folder = root / f"sps-corpus-5.0-2026-09-11-{language}"
    (folder / "audios").mkdir(parents=True)
    columns = SPONTANEOUS.split()
    table = []
    for number, (speaker, transcription, split) in enumerate(rows, 1):
        clip = name.format(number, language=language)
        (folder / "audios" / clip).touch()
        table.append({"client_id": client_id(speaker), "audio_id": str(number), "audio_file": clip,
                      "duration_ms": "2500", "prompt": "What did you do?", "transcription": transcription,
                      "language": language, "split": split})
    write_tsv(folder / f"ss-corpus-{language}.tsv", columns, table)
    write_tsv(folder / f"ss-reported-audios-{language}.tsv", [*columns[:6], "reason", "comment", "language"], [])
    return folder


def covost2(root: Path, pair: str, release: Path, translate: Callable[[str], str], *, per_split: bool = False) -> Path:
    """Make CoVoST 2's table of a pair for a folder that :func:`common_voice` made.

    Rows of ``validated.tsv`` that are in none of ``train dev test`` get the split ``train_covost``.

    Args:
        root: folder to write to.
        pair: ``en_tr``.
        release: Common Voice of the source language.
        translate: a sentence's translation.
        per_split: write the three tables that ``get_covost_splits.py`` makes, in place of the one it reads.

    Returns:
        ``root``.
    """
    root.mkdir(parents=True, exist_ok=True)
    splits = {row["path"]: name for name in SPLITS for row in read_tsv(release / f"{name}.tsv")}
    rows = [{**row, "translation": translate(row["sentence"]), "split": splits.get(row["path"], "train_covost")}
            for row in read_tsv(release / "validated.tsv")]
    if not per_split:
        write_tsv(root / f"covost_v2.{pair}.tsv", ["path", "translation", "split"], rows)
        return root
    for split in SPLITS:
        write_tsv(root / f"covost_v2.{pair}.{split}.tsv", ["path", "sentence", "translation", "client_id"],
                  [row for row in rows if row["split"].removesuffix("_covost") == split])
    return root


def fleurs(root: Path, language: str, rows: Mapping[str, Sequence[tuple[int, str]]], *,
           voice: str | None = None) -> Path:
    """Make one language of FLEURS: tables without a line of names, 16 kHz WAV files.

    Args:
        root: folder of the languages.
        language: its code, ``sw_ke``.
        rows: (sentence id, sentence) of each split, a sentence once for each of its recordings.
        voice: espeak's language; None: the first part of ``language``.

    Returns:
        The folder of the language.
    """
    folder = root / language
    for split, table in rows.items():
        (folder / "audio" / split).mkdir(parents=True, exist_ok=True)
        lines = []
        for number, (sentence_id, sentence) in enumerate(table):
            name = f"{int(client_id(f'{language} {split} {number}')[:16], 16)}.wav"
            variant = VOICES[number % len(VOICES)]
            n_samples = speak(folder / "audio" / split / name, sentence, f"{voice or language.split('_')[0]}+{variant}",
                              16000)
            normalised = "".join(c for c in sentence.lower() if c.isalnum() or c == " ")
            characters = " ".join(normalised.replace(" ", "|")) + " |"
            lines.append("\t".join([str(sentence_id), name, sentence, normalised, characters, str(n_samples),
                                    "FEMALE" if variant.startswith("f") else "MALE"]))
        (folder / f"{split}.tsv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


def mboshi(root: Path, rows: Mapping[str, Sequence[tuple[str, str, str]]]) -> Path:
    """Make the Mboshi corpus: ``train.tsv``, ``dev.tsv`` and Ogg Opus clips at 16 kHz, named by speaker and session.

    Args:
        root: folder to make.
        rows: (speaker, French, Mboshi) of each table.

    Returns:
        The folder of the tables and of ``clips/``.
    """
    (root / "clips").mkdir(parents=True)
    speakers = list(dict.fromkeys(speaker for table in rows.values() for speaker, _, _ in table))
    for split, table in rows.items():
        written = []
        for number, (speaker, french, sentence) in enumerate(table):
            clip = f"{speaker}_2015-09-08-11-33-57_samsung-SM-T530_mdw_elicit_Dico18_{split}{number}.opus"
            speak(root / "clips" / clip, sentence, f"sw+{VOICES[speakers.index(speaker)]}", 16000)
            written.append({"path": clip, "client_id": speaker, "sentence": sentence, "sentence_fr": french})
        write_tsv(root / f"{split}.tsv", ["path", "client_id", "sentence", "sentence_fr"], written)
    return root
