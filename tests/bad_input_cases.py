"""Bad corpora and tables: what is broken, which command is run, what it says and what it leaves."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bad_input_corpora import tar_of
from corpora_layouts import speak

COMMON_VOICE = "prepare_common_voice --corpus in --prefix tgt --splits train --out out"
COVOST2 = "prepare_covost2 --corpus in/en --covost in --pair en_tr --out out --prefix src"
FLEURS = "prepare_fleurs --corpus in/sw_ke --splits dev --prefix tgt --out out"
MUST_C = "prepare_must_c --corpus in --pair en-de --splits dev --prefix src --out out"
MANIFEST = "prepare_manifest --manifest in/m.tsv --set tgt_train --out out"
KALDI = "prepare_kaldi_dir --dir in/tgt_train --set tgt_train --out out"
BITEXT = "prepare_bitext --corpus in --source-lang en --target-lang sw --out out"
DOWNLOAD = "download url <site>/sw.tar.gz --unpack --out out"
ZIP = "download url <site>/sw.zip --unpack --out out"
TABLE, CLIP = "sw/train.tsv", "sw/clips/common_voice_sw_18000002.mp3"
SECOND = "<ada>-common_voice_sw_18000002"
CLIPS = "<tmp>/in/sw/clips"
Spoil = Callable[[Path], object]


@dataclass(frozen=True)
class Case:
    """One kind of bad input.

    Attributes:
        corpus: which of bad_input_corpora, copied to ``in``.
        spoil: breaks it.
        command: a module of stxfer.bin and its options.
        message: the error, or what is printed where none is made of it. ``<tmp>`` stands for the working directory,
            ``<ada>`` for that speaker's id.
        left: files in ``out`` and their content, None for any; after an error all, otherwise those of interest.
        status: of the command.
        mended: the command that succeeds on the whole corpus; empty: the same.
    """

    corpus: str
    spoil: Spoil
    command: str
    message: str
    left: Mapping[str, str | None] = field(default_factory=dict)
    status: int = 1
    mended: str = ""


def dropped(corpus: str, spoil: Spoil, command: str, what: str, total: int, utt: str, reason: str, *,
            hint: str = "", left: Mapping[str, str | None] | None = None) -> Case:
    """Return a case of one utterance that cannot be used and is too many."""
    name = re.sub(r"^(set |in/)", "", what)
    kind = reason.rpartition("\t")[2].partition(":")[0]
    tabless = reason.replace("\t", ": ")
    option = "prepare.max_drop" if what.startswith("in/") else "--max-drop"
    message = (f"{what}: 1 of {total} utterances cannot be used, more than {option} 0.05 allows ({kind} 1); e.g. "
               f"{utt}: {tabless}; all are listed in out/{name}.dropped.tsv. {hint}Mend the data or raise {option}")
    return Case(corpus, spoil, command, message, {f"{name}.dropped.tsv": f"{utt}\t{reason}\n", **(left or {})})


def replaced(name: str, old: str | bytes, new: str | bytes, count: int = -1) -> Spoil:
    """Return what replaces bytes in a file."""
    def spoil(root: Path) -> None:
        before = (root / name).read_bytes()
        after = before.replace(_bytes(old), _bytes(new), count)
        assert after != before
        (root / name).write_bytes(after)
    return spoil


def written(name: str, content: str | bytes) -> Spoil:
    """Return what writes a file."""
    return lambda root: (root / name).write_bytes(_bytes(content))


def lines(name: str, change: Callable[[list[str]], list[str]]) -> Spoil:
    """Return what changes the lines of a file."""
    def spoil(root: Path) -> None:
        (root / name).write_text("".join(change((root / name).read_text().splitlines(True))))
    return spoil


def removed(name: str) -> Spoil:
    """Return what removes a file."""
    return lambda root: (root / name).unlink()


def both(*spoils: Spoil) -> Spoil:
    """Return what does all of these."""
    return lambda root: [spoil(root) for spoil in spoils]


def nothing(root: Path) -> None:
    """Break nothing: the command is wrong."""


def unsorted(root: Path) -> None:
    """Turn all tables of a data directory round."""
    for path in (root / "tgt_train").iterdir():
        lines(str(path), lambda found: found[::-1])(root)


def _bytes(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode()


def _wav_called_mp3(root: Path) -> None:
    speak(root / "x.wav", "Maji.", "sw", 16000)
    (root / "x.wav").rename(root / CLIP)


def cv(spoil: Spoil, message: str, left: Mapping[str, str] | None = None, *, options: str = "",
       works: bool = False) -> Case:
    return Case("common_voice", spoil, f"{COMMON_VOICE} {options}", message, left or {}, 0 if works else 1)


def bad_clip(spoil: Spoil, reason: str) -> Case:
    return dropped("common_voice", spoil, COMMON_VOICE, "set tgt_train", 4, SECOND, reason)


def all_right(spoil: Spoil, second: str = "Maji ni moto sana.") -> Case:
    return cv(spoil, "out/tgt_train: 4 utterances, 0.00 h\n", {"tgt_train/text": (
        f"<ada>-common_voice_sw_18000001 Mtoto anasoma kitabu.\n{SECOND} {second}\n<ben>-common_voice_sw_18000003 "
        "Mwalimu amefika shuleni.\n<ben>-common_voice_sw_18000004 Leo jua ni kali.\n")}, works=True)


def table(form: str, content: str, message: str, left: Mapping[str, str] | None = None, *, works: bool = False) -> Case:
    """Return a case of a manifest of another form."""
    return Case("manifest", written(f"m.{form}", content), MANIFEST.replace("m.tsv", f"m.{form}"), message, left or {},
                0 if works else 1, MANIFEST)


def unpacked(member: tuple[str, bytes, str], message: str) -> Case:
    """Return a case of a tar with a member that it must not hold."""
    return Case("archives", lambda root: tar_of(root / "sw.tar.gz", ("sw/a", tarfile.REGTYPE, ""), member), DOWNLOAD,
                f"out/sw.tar.gz: member {message}; do not trust this archive, nothing of it was unpacked", ARCHIVE,
                mended=ZIP)


ARCHIVE: dict[str, str | None] = {"sw.tar.gz": None, "sw.tar.gz.sha256": None}  # what came stays to be looked at
IN_SEGMENT = "en-de/data/dev/txt/dev.yaml"
COVOST_HINT = "CoVoST 2 belongs to Common Voice 4 (2019-12-10); later releases lack some of its clips. "

CASES: dict[str, Case] = {
    "clip missing": bad_clip(removed(CLIP), f"missing: <tmp>/in/{CLIP}: no such audio file"),
    "clip of no bytes": bad_clip(written(CLIP, b""), f"empty: <tmp>/in/{CLIP}: the audio file is empty (0 bytes)"),
    "clip is a web page": bad_clip(
        written(CLIP, "<html>404 Not Found</html>"),
        f"undecodable: <tmp>/in/{CLIP}: cannot be decoded as WAV, FLAC, MP3 or Ogg (Format not recognised)"),
    "clip is a named pipe": bad_clip(
        both(removed(CLIP), lambda root: os.mkfifo(root / CLIP)),
        f"missing: <tmp>/in/{CLIP}: is a device or a pipe, not an audio file"),
    "clip is a loop of links": bad_clip(
        both(removed(CLIP), lambda root: os.symlink(root / CLIP, root / CLIP)),
        f"missing: <tmp>/in/{CLIP}: no such audio file (Too many levels of symbolic links)"),
    "clip is a WAV called MP3": all_right(_wav_called_mp3),
    "left out within the limit": cv(
        removed(CLIP), "out/tgt_train: 3 utterances, 0.00 h, 1 left out (see out/tgt_train/dropped.tsv)\n",
        {"tgt_train/dropped.tsv": f"{SECOND}\tmissing: <tmp>/in/{CLIP}: no such audio file\n"},
        options="--max-drop 0.25", works=True),
    "two kinds over the limit": cv(
        both(removed(CLIP), written("sw/clips/common_voice_sw_18000003.mp3", b"")),
        "set tgt_train: 2 of 4 utterances cannot be used, more than --max-drop 0.4 allows (missing 1, empty 1); e.g. "
        f"{SECOND}: missing: <tmp>/in/{CLIP}: no such audio file; all are listed in out/tgt_train.dropped.tsv. Mend "
        "the data or raise --max-drop",
        {"tgt_train.dropped.tsv": f"{SECOND}\tmissing: <tmp>/in/{CLIP}: no such audio file\n"
         f"<ben>-common_voice_sw_18000003\tempty: {CLIPS}/common_voice_sw_18000003.mp3: the audio file is empty "
         "(0 bytes)\n"}, options="--max-drop 0.4"),
    "byte-order mark": all_right(replaced(TABLE, "client_id", "\ufeffclient_id")),
    "DOS line ends": all_right(replaced(TABLE, "\n", "\r\n")),
    "quotation marks": all_right(replaced(TABLE, "Maji ni moto", '"Maji" ni "moto'), '"Maji" ni "moto sana.'),
    "rows unsorted": all_right(lines(TABLE, lambda found: [found[0], *found[:0:-1]])),
    "column more": all_right(lines(TABLE, lambda found: [f"new\t{line}" for line in found])),
    "column missing": cv(replaced(TABLE, "\tsentence\t", "\ttext\t"), f"<tmp>/in/{TABLE}:1: no column 'sentence'; its "
                         "columns must include client_id path sentence"),
    "column twice": cv(replaced(TABLE, "\tage\t", "\tpath\t"),
                       f"<tmp>/in/{TABLE}:1: two columns are named 'path'; rename one"),
    "UTF-16": cv(lambda root: (root / TABLE).write_text((root / TABLE).read_text(), encoding="utf-16"),
                 f"<tmp>/in/{TABLE}:1: not UTF-8 (invalid start byte at byte 0 of the line); convert the file with "
                 "iconv"),
    "Latin-1": cv(replaced(TABLE, "Maji", "Mají".encode("latin-1")), f"<tmp>/in/{TABLE}:3: not UTF-8 (invalid "
                  "continuation byte at byte 161 of the line); convert the file with iconv"),
    "tab in a field": cv(replaced(TABLE, "Maji ni", "Maji\tni"), f"<tmp>/in/{TABLE}:3: has 9 fields, but there are 8 "
                         "columns; remove the tab within a field"),
    "line break in a field": cv(replaced(TABLE, "Maji ni", "Maji\nni"), f"<tmp>/in/{TABLE}:3: has 3 fields, but there "
                                "are 8 columns; remove the line break within a field, or the row"),
    "NUL in a path": cv(replaced(TABLE, "18000002", "1800000\0"), f"<tmp>/in/{TABLE}:3: path "
                        r"'common_voice_sw_1800000\x00.mp3' names no file; mend the row or remove it"),
    "one clip twice": cv(replaced(TABLE, "18000002", "18000001"), f"<tmp>/in/{TABLE}:3: utterance "
                         "<ada>-common_voice_sw_18000001 stands already in line 2; remove one of them"),
    "absolute path": cv(replaced(TABLE, "common_voice_sw_18000002.mp3", "/etc/passwd"), f"<tmp>/in/{TABLE}:3: path "
                        f"'/etc/passwd' leaves {CLIPS}; give a path within that folder"),
    "path with ..": cv(replaced(TABLE, "common_voice_sw_18000002.mp3", "../dev.tsv"), f"<tmp>/in/{TABLE}:3: path "
                       f"'../dev.tsv' leaves {CLIPS}; give a path within that folder"),
    "no speaker": cv(lines(TABLE, lambda found: [found[0], *(re.sub("^[0-9a-f]+", "", line) for line in found[1:])]),
                     f"<tmp>/in/{TABLE}:2: client_id or path is empty; complete the row or remove it"),
    "table of names only": cv(lines(TABLE, lambda found: found[:1]),
                              f"set tgt_train: <tmp>/in/{TABLE} has no utterances for it"),
    "table missing": cv(removed(TABLE), f"<tmp>/in/{TABLE}: no such file; name the tables that there are with "
                        "--splits (dev invalidated other reported test validated)"),
    "duration infinite": cv(written("sw/clip_durations.tsv", "clip\tduration[ms]\ncommon_voice_sw_18000001.mp3\tinf\n"),
                            "<tmp>/in/sw/clip_durations.tsv:2: 'inf' is not a number of milliseconds; mend it, or "
                            "remove the file to have the clips' own headers read"),
    "archive not unpacked": Case("common_voice", written("sw.tar.gz", b""), f"{COMMON_VOICE} --corpus in/sw.tar.gz",
                                 "<tmp>/in/sw.tar.gz: is a file; unpack it with tar -xzf and give the folder that it "
                                 "makes", mended=COMMON_VOICE),
    "two languages": cv(lambda root: (root / "tr" / "clips").mkdir(parents=True),
                        "<tmp>/in: holds 2 languages, sw tr; give the folder of one"),
    "no clips": cv(lambda root: (root / "sw" / "clips").rename(root / "sw" / "audio"), "<tmp>/in/clips: no such "
                   "folder; the audio of a corpus in Common Voice's form lies there"),
    "out is a file": cv(lambda root: (root.parent / "out").write_text("mine"),
                        "out: File exists; a folder is needed there; remove it or write to another"),
    "out is below a file": Case("common_voice", nothing, f"{COMMON_VOICE} --out in/{TABLE}/out",
                                f"in/{TABLE}/out: Not a directory; a folder is needed there; write to another",
                                mended=COMMON_VOICE),
    "share over one": Case("common_voice", nothing, f"{COMMON_VOICE} --max-drop 5",
                           "python -m stxfer.bin.prepare_common_voice: error: argument --max-drop: '5': a share from "
                           "0 to 1 is needed", status=2),

    "translation missing": dropped(
        "covost2", replaced("covost_v2.en_tr.tsv", "tr: The water is cold.", ""), COVOST2, "set src_train", 3,
        "<ann>-common_voice_en_18000002", "no translation: common_voice_en_18000002.mp3 has an empty one",
        hint=COVOST_HINT),
    "row of another release": dropped(
        "covost2", replaced("covost_v2.en_tr.tsv", "18000002", "99999999"), COVOST2, "set src_train", 3,
        "common_voice_en_99999999", "not in validated.tsv: common_voice_en_99999999.mp3, a row of covost_v2.en_tr.tsv",
        hint=COVOST_HINT),
    "clip translated twice": Case("covost2", replaced("covost_v2.en_tr.tsv", "18000002", "18000001"), COVOST2,
                                  "in/covost_v2.en_tr.tsv:3: common_voice_en_18000001.mp3 has two rows; remove one"),
    "translations missing": Case("covost2", removed("covost_v2.en_tr.tsv"), COVOST2, "in/covost_v2.en_tr.tsv: no such "
                                 "file; `python -m stxfer.bin.download covost2 --pair en_tr --out DIR` gets it"),

    "number of samples": Case("fleurs", replaced("sw_ke/dev.tsv", "\tFEMALE", "x\tFEMALE"), FLEURS,
                              "<tmp>/in/sw_ke/dev.tsv:1: '7' and '23680x' must be numbers, of the sentence and of its "
                              "samples"),
    "column of FLEURS missing": Case("fleurs", replaced("sw_ke/dev.tsv", "\tFEMALE", ""), FLEURS,
                                     "<tmp>/in/sw_ke/dev.tsv:1: has 6 fields, but there are 7 columns; remove the "
                                     "line break within a field, or the row"),
    "sentence not translated": dropped(
        "fleurs", replaced("en_us/dev.tsv", "9\t", "11\t", 1), f"{FLEURS} --translations in/en_us", "set tgt_dev", 2,
        "00009-2620095166918933609", "no translation: in/en_us/dev.tsv has no sentence 9",
        hint="Not every language has every sentence. "),

    "sides of different length": Case("must_c", replaced("en-de/data/dev/txt/dev.de", "offen,\n", "offen, "), MUST_C,
                                      "<tmp>/in/en-de/data/dev/txt: its files differ in length: dev.yaml 2, dev.en 2, "
                                      "dev.de 1; each segment needs a line in both languages"),
    "not YAML": Case("must_c", replaced(IN_SEGMENT, "ted_1.wav}", "ted_1.wav"), MUST_C,
                     f"<tmp>/in/{IN_SEGMENT}:2: not YAML (did not find expected ',' or '}}')"),
    "segment without offset": Case("must_c", replaced(IN_SEGMENT, "offset: 1.0, ", ""), MUST_C,
                                   f"<tmp>/in/{IN_SEGMENT}: segment 2: has no offset"),
    "segment outside its talk": dropped(
        "must_c", replaced(IN_SEGMENT, "offset: 1.0", "offset: 100.0"), MUST_C, "set src_dev", 2, "spk.1-ted_1-00001",
        "outside: 100 s to 101 s does not lie within <tmp>/in/en-de/data/dev/wav/ted_1.wav, which lasts 2.37 s",
        hint="Talks are looked for in <tmp>/in/en-de/data/dev/wav. "),
    "split missing": Case("must_c", nothing, f"{MUST_C} --splits tst-COMMON", "<tmp>/in/en-de/data/tst-COMMON: no such "
                          "folder; give the splits that there are (dev) with --splits", mended=MUST_C),
}
