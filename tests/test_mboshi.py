"""Real corpora from table to features: Mboshi with its French translations, and a spoken English-Swahili bitext."""

from __future__ import annotations

import csv
import os
import unicodedata
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile

from stxfer.bin import dump_fbank, prepare, prepare_common_voice, prepare_manifest
from stxfer.corpora.bitext.directory import read_pairs
from stxfer.corpora.bitext.lines import Pair
from stxfer.corpora.synthetic.speakers import speakers
from stxfer.corpora.synthetic.speech import SAMPLE_RATE, Job, Room, render
from stxfer.kaldi.datadir import DataDir, read_datadir
from stxfer.kaldi.table import read_table

MBOSHI_FR, MAFAND_EN_SW = os.environ.get("MBOSHI_FR", ""), os.environ.get("MAFAND_EN_SW", "")
needs_mboshi = pytest.mark.skipif(not Path(MBOSHI_FR or "/nonexistent").is_dir(),
                                  reason="MBOSHI_FR does not name the Mboshi corpus")
needs_mafand = pytest.mark.skipif(not Path(MAFAND_EN_SW or "/nonexistent").is_dir(),
                                  reason="MAFAND_EN_SW does not name the English-Swahili bitext")
COLUMNS = "audio=path text=sentence speaker=client_id text.fr.human=sentence_fr"
FORMATS = (("wav", {"subtype": "PCM_16"}), ("flac", {"subtype": "PCM_16"}), ("mp3", {}))


def features(work: Path, source: str, target: str) -> dict[str, DataDir]:
    """Run ``prepare`` and ``dump_fbank`` on ``work/data``; return the sets, each checked against its features."""
    prepare.main(["--data", str(work / "data"), "--out", str(work / "dump" / "data"), "--source-lang", source,
                  "--target-lang", target, "--nj", "1"])
    dump_fbank.main(["--data", str(work / "dump" / "data"), "--out", str(work / "dump" / "fbank"), "--nj", "1"])
    sets = {path.name: read_datadir(path) for path in (work / "dump" / "data").iterdir() if (path / "wav.scp").exists()}
    for name, data in sets.items():
        matrices = kaldiio.load_scp(str(work / "dump" / "fbank" / name / "feats.scp"))
        assert sorted(matrices) == data.utts
        for utt in data:
            assert matrices[utt].shape[1] == 80
            assert matrices[utt].shape[0] == pytest.approx(100 * data.utt2dur[utt], abs=4)
            assert np.abs(matrices[utt].mean(axis=0)).max() < 0.1  # each utterance's mean is taken off
    return sets


def some_rows(work: Path, split: str, n: int) -> Path:
    """Copy every k-th row of a split, ``n`` in all."""
    with open(Path(MBOSHI_FR) / f"{split}.tsv", encoding="utf-8") as handle:
        header, *rows = handle.readlines()
    path = work / f"{split}.tsv"
    path.write_text("".join([header, *rows[::len(rows) // n][:n]]), encoding="utf-8")
    return path


@needs_mboshi
def test_mboshi_by_manifest(tmp_path: Path) -> None:
    for split, n in (("train", 60), ("dev", 15)):
        prepare_manifest.main(["--manifest", str(some_rows(tmp_path, split, n)), "--set", f"tgt_{split}", "--columns",
                               COLUMNS, "--audio-dir", f"{MBOSHI_FR}/clips", "--out", str(tmp_path / "data")])
    raw = read_datadir(tmp_path / "data" / "tgt_train")
    assert len(raw) == 60
    assert set(raw.utt2spk.values()) <= {"abiayi", "kouarata", "martial"}
    with open(tmp_path / "train.tsv", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert sorted(raw.texts["text.fr.human"].values()) == sorted(" ".join(row["sentence_fr"].split()) for row in rows)
    sets = features(tmp_path, "fr", "mdw")
    assert {name: len(data) for name, data in sets.items()} == {"tgt_train": 60, "tgt_dev": 15}
    for utt, text in sets["tgt_train"].text.items():  # tones and the vowels of the orthography survive
        assert _marks(text) == _marks(raw.text[utt])


def _marks(text: str) -> list[str]:
    return [char for char in unicodedata.normalize("NFD", text.lower()) if unicodedata.combining(char) or char in "εω"]


@needs_mboshi
def test_mboshi_in_common_voices_manner(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "clips").symlink_to(Path(MBOSHI_FR).absolute() / "clips")
    some_rows(corpus, "train", 20)
    some_rows(corpus, "dev", 5)
    prepare_common_voice.main(["--corpus", str(corpus), "--prefix", "tgt", "--splits", "train dev", "--out",
                               str(tmp_path / "data")])
    sets = features(tmp_path, "fr", "mdw")
    assert {name: len(data) for name, data in sets.items()} == {"tgt_train": 20, "tgt_dev": 5}


def speak_manifest(folder: Path, pairs: Sequence[Pair]) -> Path:
    """Speak the English side as WAV, FLAC and MP3 by turns; write the manifest, with the Swahili side."""
    folder.mkdir(parents=True)
    people = speakers("en", 20, seed=1)
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["audio", "text", "speaker", "text.sw.human"])
        for k, (english, swahili) in enumerate(pairs):
            speaker, (form, options) = people[k % len(people)], FORMATS[k % len(FORMATS)]
            job = Job(f"{k:04d}", english, speaker, f"{k:04d}.{form}", Room(), seed=1)
            soundfile.write(folder / job.path, render(job), SAMPLE_RATE, **options)
            writer.writerow([job.path, english, speaker.id, swahili])
    return folder / "manifest.csv"


@needs_mafand
def test_spoken_bitext_by_manifest(tmp_path: Path) -> None:
    pairs = list(islice(read_pairs(MAFAND_EN_SW, "train", ("en", "sw")), 1000, 1024))
    manifest = speak_manifest(tmp_path / "speech", pairs)
    prepare_manifest.main(["--manifest", str(manifest), "--set", "src_train", "--out", str(tmp_path / "data")])
    raw = read_table(tmp_path / "data" / "src_train" / "text.sw.human")
    assert sorted(raw.values()) == sorted(" ".join(swahili.split()) for _, swahili in pairs)
    data = features(tmp_path, "en", "sw")["src_train"]
    assert len(data) == 24
    assert {Path(path).suffix for path in data.wav_scp.values()} == {".wav", ".flac", ".mp3"}
    assert 0.03 < data.hours < 0.1  # 24 sentences at their real length: about 8 s each
