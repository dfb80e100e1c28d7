"""MuST-C in its true layout, in miniature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from stxfer.bin import prepare_must_c as cli
from stxfer.core.errors import ConfigError, DataError
from stxfer.corpora import must_c
from stxfer.corpora.must_c import prepare_must_c
from stxfer.kaldi.datadir import Audio, read_datadir

PARTS = ("- {duration: 0.500000, offset: 0.250000, rW: 4, speaker_id: spk.7, uW: 0, wav: ted_7.wav}\n",
         "- {duration: 1, offset: 1, rW: 4, speaker_id: spk.7, uW: 0, wav: ted_7.wav}\n",
         "- {duration: 1.5, offset: 0.0, rW: 4, speaker_id: spk.8, uW: 0, wav: ted_8.wav}\n")


def write_split(corpus: Path, split: str, yaml: str = "".join(PARTS), en: str = "One.\nTwo\u2028two.\nThree.\n",
                de: str = "Eins.\nZwei.\nDrei.\n") -> Path:
    folder = corpus / "en-de" / "data" / split
    (folder / "txt").mkdir(parents=True, exist_ok=True)
    (folder / "wav").mkdir(exist_ok=True)
    noise = np.random.default_rng(0).normal(size=32000) * 0.1
    for talk in (7, 8):
        soundfile.write(folder / "wav" / f"ted_{talk}.wav", noise, 16000)
    for suffix, content in (("yaml", yaml), ("en", en), ("de", de)):
        (folder / "txt" / f"{split}.{suffix}").write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for split in ("train", "dev", "tst-COMMON", "tst-HE"):
        write_split(tmp_path / "MUSTC_v1.0", split)
    return tmp_path / "MUSTC_v1.0"


def test_talks_become_segments(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "data"
    cli.main(["--corpus", str(corpus), "--pair", "en-de", "--prefix", "src", "--out", str(out)])
    assert {path.name for path in out.iterdir()} == {"src_train", "src_dev", "src_test"}
    assert "src_test: 3 utterances, 0.00 h\n" in capsys.readouterr().out
    data = read_datadir(out / "src_test")
    assert data.utts == ["spk.7-ted_7-00000", "spk.7-ted_7-00001", "spk.8-ted_8-00000"]
    assert data.text["spk.7-ted_7-00001"] == "Two two."  # U+2028 does not end a line
    assert data.texts["text.de.human"]["spk.8-ted_8-00000"] == "Drei."
    assert data.utt2spk["spk.8-ted_8-00000"] == "spk.8"
    wav = corpus / "en-de" / "data" / "tst-COMMON" / "wav" / "ted_7.wav"
    assert data.audio("spk.7-ted_7-00000") == Audio(str(wav), 0.25, 0.75)
    assert data.audio("spk.7-ted_7-00001") == Audio(str(wav), 1.0, 2.0)


def test_other_splits_and_the_pair_folder_itself(corpus: Path, tmp_path: Path) -> None:
    counts = prepare_must_c(corpus / "en-de", tmp_path / "data", "en-de", splits=["tst-HE"])
    assert list(counts) == ["src_test_he"]


def test_list_items_are_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(must_c, "_BLOCK", 2)
    block = "---\n# five segments\n" + PARTS[0] * 4 + "- duration: 2\n  offset: 3\n  speaker_id: 5\n  wav: x.wav\n"
    (tmp_path / "t.yaml").write_text(block)
    parts = list(must_c.read_parts(tmp_path / "t.yaml"))
    assert parts == [must_c.Part("ted_7.wav", "spk.7", 0.25, 0.5)] * 4 + [must_c.Part("x.wav", "5", 3.0, 2.0)]


def test_bad_segments_are_listed(corpus: Path, tmp_path: Path) -> None:
    late = "- {duration: 5, offset: 1.5, speaker_id: spk.8, wav: ted_8.wav}\n"
    none = "- {duration: 0.0, offset: 1.5, speaker_id: spk.8, wav: ted_8.wav}\n"
    gone = "- {duration: 1, offset: 0, speaker_id: spk.9, wav: ted_9.wav}\n"
    write_split(corpus, "train", PARTS[0] + late + none + gone, "a\nb\nc\nd\n", "a\nb\nc\nd\n")
    count = prepare_must_c(corpus, tmp_path, "en-de", splits=["train"], max_drop=0.8)["src_train"]
    assert (count.n_utts, count.n_dropped) == (1, 3)
    reasons = (tmp_path / "src_train" / "dropped.tsv").read_text()
    assert "1.5 s to 6.5 s does not lie within" in reasons
    assert "1.5 s to 1.5 s of" in reasons
    assert "ted_9.wav: no such audio file" in reasons


REFUSED = {
    "sides of different length": ({"de": "Eins.\nZwei.\n"}, "txt: its files differ in length: train.yaml 3, "
                                  "train.en 3, train.de 2; each segment needs a line in both languages"),
    "not YAML": ({"yaml": PARTS[0] + "- {duration: 1\n"}, "txt/train.yaml:3: not YAML (did not find expected ',' or "
                 "'}')"),
    "not a list": ({"yaml": "duration: 1\n"}, "txt/train.yaml:1: not a list of segments {duration, offset, speaker_id, "
                   "wav}"),
    "not mappings": ({"yaml": "- 1\n- 2\n"}, "txt/train.yaml: segment 1: not a mapping of duration, offset, speaker_id "
                     "and wav"),
    "no offset": ({"yaml": PARTS[0] + "- {duration: 1, wav: ted_7.wav}\n"}, "txt/train.yaml: segment 2: has no offset"),
    "time in words": ({"yaml": PARTS[0].replace("0.250000", "early")}, "txt/train.yaml: segment 1: offset 'early' is "
                      "not a number of seconds"),
    "a channel": ({"yaml": PARTS[0].replace("rW", "channel: 1, rW")}, "txt/train.yaml: segment 1: its channel is not "
                  "understood, only offset and duration say which part of the audio is meant; remove it, or write that "
                  "part to a file of its own"),
    "path that leaves": ({"yaml": "".join(PARTS).replace("ted_8.wav", "../ted_8.wav")}, "txt/train.yaml: path "
                         "'../ted_8.wav' leaves {folder}/wav; give a path within that folder"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(corpus: Path, tmp_path: Path, case: str) -> None:
    content, message = REFUSED[case]
    folder = write_split(corpus, "train", **content)
    with pytest.raises(DataError) as error:
        prepare_must_c(corpus, tmp_path / "data", "en-de")
    assert str(error.value) == f"{folder}/{message.replace('{folder}', str(folder))}"
    assert not (tmp_path / "data").exists()


def test_tags_are_not_obeyed(corpus: Path, tmp_path: Path) -> None:
    write_split(corpus, "train", f"- !!python/object/apply:os.mkdir [{tmp_path}/made]\n", "a\n", "b\n")
    with pytest.raises(DataError, match="not YAML"):
        prepare_must_c(corpus, tmp_path / "data", "en-de")
    assert not (tmp_path / "made").exists()


def test_refuses_what_is_not_there(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="en-fr/data: no such folder; give the folder that holds en-fr"):
        prepare_must_c(corpus, tmp_path, "en-fr")
    with pytest.raises(DataError, match=r"tst: no such folder; give the splits that there are \(dev train tst-COMMON"):
        prepare_must_c(corpus, tmp_path, "en-de", splits=["tst"])
    with pytest.raises(ConfigError, match="pair 'ende': two languages are needed, as en-de"):
        prepare_must_c(corpus, tmp_path, "ende")
    (corpus / "en-de" / "data" / "train" / "txt" / "train.de").unlink()
    with pytest.raises(DataError, match=r"train\.de: no such file"):
        prepare_must_c(corpus, tmp_path, "en-de")
    for suffix in ("en", "de"):
        (corpus / "en-de" / "data" / "train" / "txt" / f"train.{suffix}").write_bytes("é\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"train\.en:1: not UTF-8"):
        prepare_must_c(corpus, tmp_path, "en-de")
