"""Bad audio and transcripts in raw data directories, as stages 2 and 3 find them."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr
from bad_input_cases import Case, Spoil, both, dropped, lines, removed, replaced, unsorted, written

PREPARE = "prepare --data in --out out --source-lang en --target-lang sw --nj 1"
DUMP = "dump_fbank --data in --out out --nj 1"
WAV, TEXT = "wav/ada-2.wav", "tgt_train/text"
ALL = "out/tgt_train: 4 utterances, 0.00 h, 2 speakers, 14 words, 65 characters"
AGAIN = "; stage 'prepare' drops what cannot be used"
SEE = "\nEach set's dropped.tsv and audio.json in out say which and why\n"
NORMALISED = ("ada-1 mtoto anasoma kitabu\nada-2 maji ni moto sana\nben-3 mwalimu amefika shuleni\n"
              "ben-4 leo jua ni kali\n")


def audio(change: Callable[[np.ndarray], np.ndarray], rate: int = 16000, **options: str) -> Spoil:
    """Return what changes the samples of an utterance."""
    def spoil(root: Path) -> None:
        samples, _ = soundfile.read(root / WAV, dtype="float32")
        soundfile.write(root / WAV, change(samples), rate, **options)
    return spoil


def three_hours(root: Path, name: str = WAV) -> None:
    """Write a WAV of three hours that takes no room on the disk."""
    size = 3 * 3600 * 16000 * 2
    soundfile.write(root / name, np.zeros(0), 16000)
    with open(root / name, "r+b") as handle:
        handle.truncate(44 + size)
        for position, value in ((4, 36 + size), (40, size)):
            handle.seek(position)
            handle.write(struct.pack("<I", value))


def prepared(spoil: Spoil, reason: str) -> Case:
    """Return a case of an utterance that stage 2 drops, which is too many."""
    return dropped("kaldi", spoil, PREPARE, "in/tgt_train", 4, "ada-2", f"prepare\t{reason}",
                   left={"held_out.tsv": ""})


def refused(spoil: Spoil, message: str) -> Case:
    """Return a case of tables that stage 2 cannot take."""
    return Case("kaldi", spoil, PREPARE, message, {"held_out.tsv": ""})


def taken(spoil: Spoil, warnings: str = "", text: str = NORMALISED, line: str = ALL) -> Case:
    """Return a case of what stage 2 takes."""
    return Case("kaldi", spoil, PREPARE, line + (f"; warnings: {warnings}{SEE}" if warnings else "\n"),
                {"tgt_train/text": text, "tgt_train/dropped.tsv": ""}, status=0)


CASES: dict[str, Case] = {
    "audio gone": prepared(removed(WAV), f"missing: in/{WAV}: no such audio file"),
    "audio of no bytes": prepared(written(WAV, ""), f"empty: in/{WAV}: the audio file is empty (0 bytes)"),
    "WAV shorter than its header says": prepared(
        lambda root: (root / WAV).write_bytes((root / WAV).read_bytes()[:20000]),
        f"truncated: in/{WAV}: truncated: its header promises 1.33 s, the file holds 0.62 s"),
    "WAV called FLAC": taken(both(lambda root: (root / WAV).rename(root / "wav/x.flac"),
                                  replaced("tgt_train/wav.scp", "ada-2.wav", "x.flac"))),
    "samples that are NaN": prepared(audio(lambda x: np.where(np.arange(len(x)) == 1000, np.nan, x), subtype="FLOAT"),
                                     f"not_finite: in/{WAV}: holds samples that are not finite numbers (NaN or "
                                     "infinity)"),
    "8 equal channels": taken(audio(lambda x: np.stack([x] * 8, 1))),
    "8 channels": taken(audio(lambda x: np.stack([np.roll(x, 9 * k) for k in range(8)], 1)), "channels 1"),
    "4 kHz": prepared(audio(lambda x: soxr.resample(x, 16000, 4000), 4000),
                      f"low_rate: in/{WAV}: sampled at 4000 Hz, less than 8000 Hz"),
    "3 hours": prepared(three_hours, f"too_long: in/{WAV}: 10800.00 s, longer than 30 s"),
    "silence": prepared(audio(np.zeros_like), f"silent: in/{WAV}: silent, its peak is 0"),
    "50 ms": prepared(audio(lambda x: x[:800]), f"too_short: in/{WAV}: 0.050 s, shorter than 0.1 s"),
    "clipped": taken(audio(lambda x: np.clip(100 * x, -1, 1)), "clipped 1"),
    "transcript empty": prepared(replaced(TEXT, "Maji ni moto sana.", ""), "no_text: text is empty"),
    "transcript of punctuation": prepared(replaced(TEXT, "Maji ni moto sana.", "... ?!"),
                                          "no_words: text has no letter or digit left of '... ?!'"),
    "transcript too long": prepared(replaced(TEXT, "Maji ni moto sana.", "Maji " * 100),
                                    "too_much_text: 499 characters in 1.33 s, over 40 a second: 'maji maji maji maji "
                                    "maji maji maji maji…'"),
    "control characters": taken(replaced(TEXT, "Maji ni", "Maji\0\u2028 \x1bni")),
    "tables turned round": taken(unsorted),
    "transcripts in Latin-1": refused(replaced(TEXT, "Maji", b"Maj\xed"), f"in/{TEXT}:2: not UTF-8 (invalid "
                                      "continuation byte at byte 9 of the line); convert it with iconv"),
    "speaker missing": refused(replaced("tgt_train/utt2spk", "ada-1 ada\n", ""), "in/tgt_train/utt2spk: lacks 1 of "
                               "wav.scp's 4 utterances, the first is ada-1; 'python -m stxfer.bin.datadir fix' drops "
                               "what not every table has"),
    "command for audio": refused(replaced("tgt_train/wav.scp", "in/wav/ada-1.wav", "cat in/wav/ada-1.wav |"),
                                 "in/tgt_train/wav.scp: utterance ada-1: commands ('... |') are not supported; write "
                                 "the audio to a file and give its path"),
    "blank line": refused(replaced(TEXT, "ada-2", "\nada-2"),
                          f"in/{TEXT}:2: a blank line or a line without a key; remove it"),
    "text of no language": refused(lambda root: shutil.copy(root / TEXT, root / "tgt_train/text.sw"),
                                   "in/tgt_train/text.sw: a further text must be named text.<language>.<label>, e.g. "
                                   "text.sw.human"),
    "segment after the end": prepared(
        lambda root: written("tgt_train/segments", "".join(
            f"{path.stem} {path.stem} {'60 61' if path.stem == 'ada-2' else '0 0.9'}\n"
            for path in sorted((root / "wav").iterdir())))(root),
        f"outside: in/{WAV}: the segment starts at 60.00 s, the recording ends at 1.33 s"),
    "marker that is none": refused(written("tgt_train/.stage.json", "{}"), "in/tgt_train/.stage.json: not a stage's "
                                   "marker; remove it and run its stage again"),
    "set of another name": Case("kaldi", lambda root: (root / "tgt_train").rename(root / "train"), PREPARE,
                                "in: no set named src_... or tgt_..., only train; rename them"),
    "audio gone since stage 2": Case("kaldi", removed(WAV), DUMP,
                                     f"tgt_train, utterance ada-2: in/{WAV}: no such audio file{AGAIN}"),
    "audio changed since stage 2": Case("kaldi", audio(lambda x: x[:100]), DUMP,
                                        f"tgt_train, utterance ada-2: in/{WAV}: shorter than one window of 25 ms"
                                        f"{AGAIN}"),
    "one set misspelt": Case("kaldi", lines(TEXT, sorted), f"{DUMP} --sets tgt_dev",
                             "in/tgt_dev: no such set; there are: tgt_train", mended=DUMP),
}
