"""Small whole corpora, one of each kind, spoken by the synthesiser, for the tests to break."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import corpora_layouts as layouts
from corpora_layouts import speak

RATE = 16000
ROWS = {"train": [("ada", "Mtoto anasoma kitabu."), ("ada", "Maji ni moto sana."), ("ben", "Mwalimu amefika shuleni."),
                  ("ben", "Leo jua ni kali.")],
        "dev": [("eva", "Gari limesimama.")], "test": [("zed", "Usiku mwema.")]}
ENGLISH = {"train": [("ann", "The door is open."), ("ann", "The water is cold."), ("bob", "Good morning.")],
           "dev": [("eve", "The book is new.")], "test": [("zoe", "See you soon.")]}


def common_voice(root: Path) -> None:
    """``sw/``: train.tsv of clips 1 to 4, dev.tsv, test.tsv; its release does not tell durations."""
    layouts.common_voice(root, "sw", ROWS, release="4")


def covost2(root: Path) -> None:
    """``en/``, Common Voice 4, and ``covost_v2.en_tr.tsv``."""
    layouts.covost2(root, "en_tr", layouts.common_voice(root, "en", ENGLISH, release="4"), lambda text: f"tr: {text}")


def fleurs(root: Path) -> None:
    """``sw_ke/`` and ``en_us/``, a split ``dev`` of two sentences."""
    layouts.fleurs(root, "sw_ke", {"dev": [(7, "Habari za asubuhi."), (9, "Maji ni moto.")]})
    layouts.fleurs(root, "en_us", {"dev": [(7, "Good morning."), (9, "The water is hot.")]})


def must_c(root: Path) -> None:
    """``en-de/data/dev``: a talk of two segments."""
    folder = root / "en-de" / "data" / "dev"
    for name in ("txt", "wav"):
        (folder / name).mkdir(parents=True)
    speak(folder / "wav" / "ted_1.wav", "The door is open, and the water is cold.", "en+f1", RATE)
    (folder / "txt" / "dev.yaml").write_text(
        "- {duration: 0.9, offset: 0.1, rW: 4, speaker_id: spk.1, uW: 0, wav: ted_1.wav}\n"
        "- {duration: 1.0, offset: 1.0, rW: 5, speaker_id: spk.1, uW: 0, wav: ted_1.wav}\n")
    (folder / "txt" / "dev.en").write_text("The door is open,\nand the water is cold.\n")
    (folder / "txt" / "dev.de").write_text("Die Tür ist offen,\nund das Wasser ist kalt.\n", encoding="utf-8")


def _spoken(root: Path) -> list[tuple[str, str, str]]:
    """Write ``wav/<speaker>-<n>.wav``; return utterance, speaker and text of each."""
    (root / "wav").mkdir()
    rows = [(f"{speaker}-{number}", speaker, text) for number, (speaker, text) in enumerate(ROWS["train"], 1)]
    for utt, speaker, text in rows:
        speak(root / "wav" / f"{utt}.wav", text, "sw+f1" if speaker == "ada" else "sw+m1", RATE)
    return rows


def manifest(root: Path) -> None:
    """``m.tsv`` with the columns utt, audio, speaker and text, and ``wav/``."""
    rows = "".join(f"{utt}\twav/{utt}.wav\t{speaker}\t{text}\n" for utt, speaker, text in _spoken(root))
    (root / "m.tsv").write_text(f"utt\taudio\tspeaker\ttext\n{rows}")


def kaldi(root: Path) -> None:
    """``wav/`` and a data directory ``tgt_train``, as other recipes make them; paths begin with ``in/``."""
    rows = _spoken(root)
    (root / "tgt_train").mkdir()
    for name, lines in (("wav.scp", [f"{utt} in/wav/{utt}.wav" for utt, _, _ in rows]),
                        ("text", [f"{utt} {text}" for utt, _, text in rows]),
                        ("utt2spk", [f"{utt} {speaker}" for utt, speaker, _ in rows]),
                        ("spk2utt", ["ada ada-1 ada-2", "ben ben-3 ben-4"])):
        (root / "tgt_train" / name).write_text("".join(f"{line}\n" for line in lines))


def bitext(root: Path) -> None:
    """``train.en``, ``train.sw`` and so on."""
    for part, count in (("train", 4), ("dev", 2), ("test", 2)):
        for language in ("en", "sw"):
            (root / f"{part}.{language}").write_text(
                "".join(f"{language} {part} sentence number {k}\n" for k in range(count)))


def tar_of(path: Path, *members: tuple[str, bytes, str]) -> None:
    """Write a tar.gz of members: name, kind (of :mod:`tarfile`) and what a link leads to."""
    with tarfile.open(path, "w:gz") as tar:
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            content = b"audio" if kind == tarfile.REGTYPE else b""
            info.type, info.linkname, info.size = kind, target, len(content)
            tar.addfile(info, io.BytesIO(content))


def archives(root: Path) -> None:
    """``sw.tar.gz`` and ``sw.zip`` of one file."""
    tar_of(root / "sw.tar.gz", ("sw/train.tsv", tarfile.REGTYPE, ""))
    with zipfile.ZipFile(root / "sw.zip", "w") as zipped:
        zipped.writestr("sw/train.tsv", "audio")


CORPORA: dict[str, Callable[[Path], None]] = {
    "common_voice": common_voice, "covost2": covost2, "fleurs": fleurs, "must_c": must_c, "manifest": manifest,
    "kaldi": kaldi, "bitext": bitext, "archives": archives}
