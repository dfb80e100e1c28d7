"""A corpus of speech as a new recipe finds it: of which kind it is, what it holds, and the commands that prepare it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.corpora.bitext.directory import PARTS
from stxfer.corpora.bitext.lines import iter_lines, open_binary
from stxfer.corpora.covost2 import read_split
from stxfer.corpora.fleurs import COLUMNS as FLEURS
from stxfer.corpora.kaldi_dir import read_tables
from stxfer.corpora.must_c import SPLITS as MUST_C
from stxfer.corpora.must_c import read_parts, set_part
from stxfer.corpora.release import COLUMNS as COMMON_VOICE
from stxfer.corpora.release import Release
from stxfer.corpora.rows import FORMS, column_names, read_rows
from stxfer.corpora.spontaneous_speech import COLUMNS as SPONTANEOUS
from stxfer.corpora.spontaneous_speech import SPLIT, SpontaneousSpeech, find_table
from stxfer.kaldi.segments import Segment
from stxfer.recipes.columns import SETS, Columns, guess_columns, table_rows

APART_SPEAKERS = 20  # speakers from which on a set can be taken from another one by speakers
LIMITS = '--max-drop "$max_drop" --nj "$nj"'  # options of every command of stage 1, by options of the recipe
#: Lines of ``local/data.sh``, given the shell variable that holds the corpus's path and ``src`` or ``tgt``.
Commands = Callable[[str, str], list[str]]


@dataclass(frozen=True)
class Utterance:
    """One utterance: its audio file, transcript, speaker, translation, and its part of the file in seconds."""

    audio: str
    text: str
    speaker: str = ""
    translation: str = ""
    span: tuple[float, float] | None = None


@dataclass(frozen=True)
class Speech:
    """A corpus of speech.

    Attributes:
        kind: what the guide calls it.
        path: what the recipe's option names.
        sets: the utterances of train, dev and test, of those it has.
        commands: what prepares it.
        columns: of a table.
        told: what a person should know of the choice.
    """

    kind: str
    path: Path
    sets: Mapping[str, list[Utterance]]
    commands: Commands
    columns: Columns | None = None
    told: list[str] = field(default_factory=list)

    @property
    def translated(self) -> bool:
        """Whether it has translations."""
        return any(utterance.translation for utterances in self.sets.values() for utterance in utterances)

    def texts(self) -> Iterable[str]:
        """Return all transcripts."""
        return (utterance.text for utterances in self.sets.values() for utterance in utterances)


def find_speech(path: Path, languages: tuple[str, str], columns: Mapping[str, str], audio_dir: Path | None = None,
                covost: Path | None = None) -> Speech:
    """Look at a corpus of speech.

    Args:
        path: a table or a folder.
        languages: of the speech, and the other one, of translations.
        columns: what a table calls our columns, where that is said.
        audio_dir: folder that audio paths of a table are relative to; None: it is looked for.
        covost: CoVoST 2's table of this Common Voice, or the folder of it.

    Raises:
        DataError: it is not there, or nothing that a recipe can be made of; says what would be.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_file():
        return _of_tables(path, {"train": path}, languages[1], columns, audio_dir)
    if covost is not None:
        return _covost2(path, covost, languages)
    if (table := find_table(path)) is not None:
        return _spontaneous(path, table)
    inside = [folder for folder in path.iterdir() if (folder / "clips").is_dir()]
    if len(inside) == 1 and not (path / "clips").is_dir():  # cv-corpus-17.0-2024-03-15, which holds tr
        path = inside[0]
    if (path / "-".join(languages) / "data").is_dir():
        return _must_c(path, languages)
    tables = {part: table for part in PARTS for name in reversed(SETS[part]) for suffix in sorted(FORMS)
              if (table := path / f"{name}{suffix}").is_file()}
    if not tables and (folders := _kaldi_folders(path)):
        return _kaldi(path, folders, languages[1])
    if tables.get("train", path).name == "train.tsv" and (path / "audio" / "train").is_dir():
        return _fleurs(path, tables)
    if not columns and {"train", "dev"} <= tables.keys() and (path / "clips").is_dir() and all(
            table.stem in PARTS and set(COMMON_VOICE) <= set(column_names(table)) for table in tables.values()) and \
            f"text.{languages[1]}.human" not in guess_columns(tables["train"], columns, languages[1]).named:
        return _common_voice(path, tables)
    if "train" not in tables:
        found = sorted(table.name for table in path.iterdir() if table.suffix.lower() in FORMS)
        if len(found) != 1:
            raise DataError(f"{path}: not known what corpus this is: it needs train.tsv (or .csv, .jsonl), or one "
                            f"table, or a Kaldi data directory, or MuST-C's {'-'.join(languages)}/data; of tables it "
                            f"has {' '.join(found) or 'none'}")
        tables = {"train": path / found[0]}
    return _of_tables(path, tables, languages[1], columns, audio_dir)


def _of_tables(path: Path, tables: Mapping[str, Path], other: str, given: Mapping[str, str], audio_dir: Path | None
               ) -> Speech:
    columns = guess_columns(tables["train"], given, other)
    if columns.split:
        tables = dict.fromkeys((part for part in PARTS if part in columns.values), tables["train"])
    rows = {part: table_rows(table, columns, part) for part, table in tables.items()}
    folder = tables["train"].parent
    audio = _audio_folder(tables["train"], [row.values["audio"] for row in rows["train"][:20]], audio_dir)
    speakers = {row.values.get("speaker", "") for row in rows["train"]} - {""}
    lacking = [part for part in PARTS if part not in tables]
    apart = ["text", *(name for name in columns.named if name.startswith("text."))]
    apart += ["speaker"] if len(speakers) >= APART_SPEAKERS else []
    told = []
    if lacking:
        known = "" if "speaker" in apart else f"; {len(speakers) or 'no'} speakers are named: test speakers are known"
        told.append(f"{' and '.join(lacking)}: a tenth of train each, apart in {', '.join(apart)}{known}")
    names = [Path(row.values["audio"]) for row in rows["train"]]
    outside = any(name.is_absolute() or ".." in name.parts for name in names)

    def commands(variable: str, prefix: str) -> list[str]:
        whole = f'"${variable}"'
        root = whole if path.is_dir() else f'"$(dirname {whole})"'
        options = [f"--columns {shlex.quote(columns.option())}"] if columns.option() else []
        if audio != folder:
            inside = os.path.relpath(audio, folder)
            options.append(f"--audio-dir {shlex.quote(str(audio))}" if inside.startswith("..") else
                           f"--audio-dir {root}/{shlex.quote(inside)}")
        options += ["--allow-outside"] if outside else []
        options += [LIMITS, '--out "$data")']
        lines = folded([f"table=({options[0]}", *options[1:]])
        for part, table in tables.items():
            words = [f"stxfer prepare_manifest --manifest {whole if path.is_file() else f'{whole}/{table.name}'}",
                     f"--set {prefix}_{part}"]
            if columns.split:
                words.append(f"--rows {shlex.quote(f'{columns.split}={columns.values[part]}')}")
            if part == "train" and lacking:
                words += [f"--hold-out {prefix}_{name}" for name in lacking]
                words.append(f"--apart {shlex.quote(' '.join(apart))}")
            lines += folded([*words, '"${table[@]}"'])
        return lines

    translations = f"text.{other}.human"
    return Speech("a table", path, {part: [
        Utterance(str(audio / row.values["audio"]), row.values["text"], row.values.get("speaker", ""),
                  row.values.get(translations, "")) for row in some] for part, some in rows.items()},
        commands, columns, told)


def _audio_folder(table: Path, names: list[str], given: Path | None) -> Path:
    """Return the folder that a table's audio paths are relative to: the table's, or one in it or beside it."""
    below = [table.parent, *sorted(path for path in table.parent.iterdir() if path.is_dir())]
    count = {folder: sum((folder / name).is_file() for name in names) for folder in ([given] if given else below)}
    best = max(count, key=lambda folder: count[folder])
    if not count[best]:
        raise DataError(f"{table}: no audio of its first rows, such as {names[0]!r}, is in "
                        f"{given or f'{table.parent} or a folder in it'}; say where it is with --audio-dir DIR")
    return best


def _common_voice(path: Path, tables: Mapping[str, Path]) -> Speech:
    def commands(variable: str, prefix: str) -> list[str]:
        words = [f'stxfer prepare_common_voice --corpus "${variable}" --prefix {prefix}']
        return folded([*words, *([] if "test" in tables else ["--test-from dev"]), f'{LIMITS} --out "$data"'])

    sets = {part: [Utterance(str(path / "clips" / row.values["path"]), row.values["sentence"], row.values["client_id"])
                   for row in read_rows(table, COMMON_VOICE)] for part, table in tables.items()}
    told = [] if "test" in tables else ["no test.tsv: half of dev, by speakers, will be the test set"]
    return Speech("Common Voice's form", path, sets, commands, told=told)


def _spontaneous(path: Path, table: Path) -> Speech:
    rows = [row.values for row in read_rows(table, (*SPONTANEOUS, SPLIT))]
    folder = table.parent / SpontaneousSpeech.audio
    sets = {part: [Utterance(str(folder / row["audio_file"]), row["transcription"], row["client_id"])
                   for row in rows if row[SPLIT] == part and row["transcription"].strip()] for part in PARTS}
    sets = {part: some for part, some in sets.items() if some or part == "train"}

    def commands(variable: str, prefix: str) -> list[str]:
        words = [f'stxfer prepare_common_voice --corpus "${variable}" --prefix {prefix}']
        return folded([*words, *([] if "test" in sets else ["--test-from dev"]), f'{LIMITS} --out "$data"'])
    return Speech("Common Voice's spontaneous speech", path, sets, commands)


def _covost2(path: Path, covost: Path, languages: tuple[str, str]) -> Speech:
    pair, release = "_".join(languages), Release(path)
    sets = {part: [Utterance(entry.audio, entry.text, entry.speaker, next(iter(entry.texts.values())))
                   for entry in read_split(release, covost, pair, part, {})[1]] for part in PARTS}

    def commands(variable: str, prefix: str) -> list[str]:
        return folded([f'stxfer prepare_covost2 --corpus "${variable}" --covost "$covost" --pair {pair}',
                        f'--prefix {prefix}', f'{LIMITS} --out "$data"'])
    return Speech("CoVoST 2", path, sets, commands)


def _fleurs(path: Path, tables: Mapping[str, Path]) -> Speech:
    def commands(variable: str, prefix: str) -> list[str]:
        return folded([f'stxfer prepare_fleurs --corpus "${variable}" --prefix {prefix}', f'{LIMITS} --out "$data"'])

    sets = {part: [Utterance(str(path / "audio" / part / row.values["file"]), row.values["raw"])
                   for row in read_rows(table, ("file", "raw"), header=FLEURS)] for part, table in tables.items()}
    return Speech("FLEURS", path, sets, commands)


def _must_c(path: Path, languages: tuple[str, str]) -> Speech:
    pair, sets = "-".join(languages), {}
    for split in MUST_C:
        folder = path / pair / "data" / split
        texts = [list(_lines(folder / "txt" / f"{split}.{language}")) for language in languages]
        sets[set_part(split)] = [
            Utterance(str(folder / "wav" / part.wav), source, part.speaker, target,
                      (part.offset, part.offset + part.duration))
            for part, source, target in zip(read_parts(folder / "txt" / f"{split}.yaml"), *texts, strict=False)]

    def commands(variable: str, prefix: str) -> list[str]:
        return folded([f'stxfer prepare_must_c --corpus "${variable}" --pair {pair} --prefix {prefix}',
                        f'{LIMITS} --out "$data"'])
    return Speech("MuST-C", path, sets, commands)


def _lines(path: Path) -> Iterable[str]:
    with open_binary(path) as handle:
        yield from iter_lines(handle, str(path))


def _kaldi_folders(path: Path) -> dict[str, Path]:
    if (path / "wav.scp").is_file():
        return {"train": path}
    return {part: path / name for part in PARTS for name in reversed(SETS[part]) if (path / name / "wav.scp").is_file()}


def _kaldi(path: Path, folders: Mapping[str, Path], other: str) -> Speech:
    if lacking := [part for part in PARTS if part not in folders]:
        raise DataError(f"{path}: holds Kaldi data directories, but none for {' and '.join(lacking)}; part one by "
                        "'python -m stxfer.bin.datadir subset', and give the folder of train, dev and test")
    sets, root = {}, path
    for part, folder in folders.items():
        tables = read_tables(folder, own_speakers=True)
        first = next(iter(tables.wav_scp.values()), "")
        root = next((place for place in (path, path.parent, path.parent.parent) if (place / first).is_file()), root)
        said = {name: table for name, table in tables.texts.items() if name.startswith(f"text.{other}.")}
        translations = next(iter(said.values()), {})
        spans = tables.segments or {}
        of = {utt: spans[utt].recording if utt in spans else utt for utt in tables.text}
        sets[part] = [Utterance(_below(root, tables.wav_scp.get(of[utt], "")), text,
                                (tables.utt2spk or {}).get(utt, ""), translations.get(utt, ""),
                                _span(spans.get(utt)))
                      for utt, text in tables.text.items()]

    def commands(variable: str, prefix: str) -> list[str]:
        return [line for part, folder in folders.items() for line in folded([
            f'stxfer prepare_kaldi_dir --dir "${variable}"/{shlex.quote(folder.name)} --set {prefix}_{part}',
            f'--root "${variable}"{"/.." * len(path.relative_to(root).parts)}', f'{LIMITS} --out "$data"'])]
    return Speech("Kaldi data directories", path, sets, commands)


def _below(root: Path, value: str) -> str:
    return value if value.rstrip().endswith("|") else str(root / value)


def _span(segment: Segment | None) -> tuple[float, float] | None:
    return None if segment is None or segment.end is None else (segment.start, segment.end)


def folded(words: list[str], width: int = 118) -> list[str]:
    """Return the words of a command in lines of a script."""
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) + 3 > width:
            lines[-1] += " \\"
            lines.append(f"    {word}")
        else:
            lines[-1] += f" {word}"
    return lines
