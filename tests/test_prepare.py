"""Stage 2 and the bitext: normalising, checking, subsets, perturbation, leaks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stxfer.audio.perturb import perturb_speed
from stxfer.bin import prepare as cli
from stxfer.bin import prepare_bitext as bitext_cli
from stxfer.corpora.bitext import clean_pairs, prepare_bitext, read_pairs
from stxfer.errors import ConfigError, DataError
from stxfer.kaldi.datadir import DataDir, read_datadir, write_datadir
from stxfer.prepare import PrepareOptions, prepare

OPTIONS = PrepareOptions("en", "sw", max_drop=0.5)
LANGUAGES = ("en", "sw")


def speech_set(root: Path, name: str, texts: dict[str, str], *, seconds: float = 0.5,
               human: dict[str, str] | None = None) -> None:
    """Write a raw set; an utterance is named ``<speaker>-...``."""
    wav_scp = {}
    for k, utt in enumerate(texts):
        path = root / "wav" / name / f"{utt}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * np.random.default_rng(k).normal(size=round(16000 * seconds)), 16000)
        wav_scp[utt] = str(path)
    write_datadir(root / "data" / name, DataDir(
        root / "data" / name, wav_scp, texts, {utt: utt.partition("-")[0] for utt in texts},
        {utt: seconds for utt in texts}, texts={"text.sw.human": human} if human else {}))


def write_bitext(root: Path, **parts: list[tuple[str, str]]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for part, pairs in parts.items():
        for side, lang in enumerate(LANGUAGES):
            (root / f"{part}.{lang}").write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")
    return root


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    train = {f"a-{k}": f"Sentence number {k}!" for k in range(10)}
    speech_set(tmp_path, "src_train", train, human={utt: f"Sentensi, ya {utt[2:]}" for utt in train})
    speech_set(tmp_path, "src_test", {"b-0": "A test, here."}, human={"b-0": "Jaribio hapa"})
    speech_set(tmp_path, "tgt_train", {f"{'cd'[k % 2]}-{k}": f"Ng’ombe {k}" for k in range(10)})
    speech_set(tmp_path, "tgt_dev", {"e-0": "Maendeleo."})
    speech_set(tmp_path, "tgt_test", {"f-0": "Kesho; kutwa"})
    write_bitext(tmp_path / "data" / "bitext",
                 train=[("One, two.", "Moja - mbili"), ("ONE two", "moja mbili"), ("A TEST here", "neno"),
                        ("left", "Maendeleo"), ("bitext test", "x"), ("", "tupu"), ("Keep me", "Nitunze")],
                 dev=[("dev", "dev yetu"), ("?", "!")], test=[("Bitext test", "jaribio la maandishi")])
    return tmp_path


def run(root: Path, options: PrepareOptions = OPTIONS, **more) -> dict:
    return prepare(root / "data", root / "dump", options, **more)


def test_normalises_by_language(raw: Path) -> None:
    figures = run(raw)
    source, target = (read_datadir(raw / "dump" / name) for name in ("src_train", "tgt_train"))
    assert source.text["a-3"] == "sentence number 3"
    assert source.texts["text.sw.human"]["a-3"] == "sentensi ya 3"
    assert target.text["c-4"] == "ng'ombe 4"
    assert figures["tgt_train"]["n_utts"] == 10
    assert figures["tgt_train"]["hours"] == pytest.approx(5 / 3600, abs=1e-4)


def test_drops_and_lists(raw: Path) -> None:
    data = read_datadir(raw / "data" / "src_train")
    Path(data.wav_scp["a-0"]).unlink()
    Path(data.wav_scp["a-1"]).write_bytes(b"")
    soundfile.write(data.wav_scp["a-2"], np.zeros(16000), 16000)
    soundfile.write(data.wav_scp["a-3"], np.ones(1000), 16000)
    data.text["a-4"] = "?!"
    data.texts["text.sw.human"]["a-5"] = "..."
    write_datadir(data.path, data)
    with pytest.raises(DataError, match=r"6 of 10 utterances cannot be used \(bad audio 3.*e.g. a-0: .*--max-drop 0.5"):
        run(raw)
    assert not (raw / "dump" / "src_train").exists()
    figures = run(raw, PrepareOptions("en", "sw", max_drop=0.6))
    assert figures["src_train"]["n_dropped"] == 6
    reasons = dict(line.split("\t") for line in (raw / "dump/src_train/dropped.tsv").read_text().splitlines())
    for utt, reason in {"a-0": "no such audio", "a-1": "0 bytes", "a-2": "silent", "a-3": "too short: 0.062 s",
                        "a-4": "empty text:", "a-5": "empty text.sw.human:"}.items():
        assert reason in reasons[utt]
    assert sorted(read_datadir(raw / "dump" / "src_train").text) == ["a-6", "a-7", "a-8", "a-9"]


def test_length_limit_spares_test_sets(raw: Path) -> None:
    speech_set(raw, "tgt_test", {"f-0": "Kesho", "f-1": "Leo"}, seconds=1.5)
    speech_set(raw, "tgt_dev", {"e-0": "Maendeleo", "e-1": "Jana"}, seconds=1.5)
    options = PrepareOptions("en", "sw", max_seconds=1.0, max_drop=0.5)
    with pytest.raises(DataError, match="tgt_dev: 2 of 2 utterances cannot be used .too long 2"):
        run(raw, options)
    speech_set(raw, "tgt_dev", {"e-0": "Maendeleo"})
    assert run(raw, options)["tgt_test"] == {"n_raw": 2, "n_dropped": 0, "n_utts": 2, "hours": pytest.approx(0.0008)}


def test_removes_test_sentences_from_training_sets(raw: Path) -> None:
    speech_set(raw, "tgt_train", {"c-0": "Habari", "c-1": "kesho kutwa!", "c-2": "jaribio hapa", "c-3": "Maendeleo"})
    human = {"a-0": "kesho kutwa", "a-1": "salama"}
    speech_set(raw, "src_train", {"a-0": "tomorrow", "a-1": "safe"}, human=human)
    run(raw)
    assert sorted(read_datadir(raw / "dump" / "tgt_train").text) == ["c-0", "c-3"]  # a dev sentence is no leak
    assert sorted(read_datadir(raw / "dump" / "src_train").text) == ["a-1"]
    assert read_pairs(raw / "dump/bitext", "train", LANGUAGES) == [("one two", "moja mbili"), ("keep me", "nitunze")]
    leaks = json.loads((raw / "dump" / "leaks.json").read_text())
    assert leaks["n"] == 2 + 1 + 3
    assert leaks["removed_from"]["src_train"]["examples"] == [{"sentence": "kesho kutwa", "in": "tgt_test/text"}]
    assert {"sentence": "a test here", "in": "src_test/text"} in leaks["removed_from"]["bitext"]["examples"]
    assert {"sentence": "bitext test", "in": "bitext/test"} in leaks["removed_from"]["bitext"]["examples"]
    assert "c-1\tleak: 'kesho kutwa' stands in tgt_test/text" in (raw / "dump/tgt_train/dropped.tsv").read_text()


def test_bitext_counts(raw: Path) -> None:
    assert run(raw)["bitext"]["train"] == 2
    report = json.loads((raw / "dump" / "bitext" / "dropped.json").read_text())
    assert report["train"] == {"n_raw": 7, "n_pairs": 2, "dropped": {"duplicate": 1, "empty": 1, "held_out": 3}}
    assert report["dev"]["dropped"] == {"empty": 1}


def test_subset_and_perturbation(raw: Path) -> None:
    options = PrepareOptions("en", "sw", tgt_train_hours=2 / 3600, speed_perturb=(0.9, 1.0))
    run(raw, options)
    data = read_datadir(raw / "dump" / "tgt_train")
    plain = [utt for utt in data.text if not utt.startswith("sp")]
    assert sorted(utt[0] for utt in plain) == ["c", "c", "d", "d"]
    assert sorted(data.text) == sorted([*plain, *(f"sp0.9-{utt}" for utt in plain)])
    utt = plain[0]
    assert data.utt2spk[f"sp0.9-{utt}"] == f"sp0.9-{utt[0]}"
    assert data.wav_scp[f"sp0.9-{utt}"] == data.wav_scp[utt]
    assert (data.utt2speed[f"sp0.9-{utt}"], data.utt2speed[utt]) == (0.9, 1.0)
    assert data.utt2dur[f"sp0.9-{utt}"] == pytest.approx(0.5 / 0.9, abs=1e-3)
    assert not read_datadir(raw / "dump" / "src_train").utt2speed
    assert perturb_speed(data, (1.0,)) == data
    with pytest.raises(ConfigError, match="perturb_sets: no set 'tgt_trian'"):
        run(raw, PrepareOptions("en", "sw", speed_perturb=(0.9,), perturb_sets=("tgt_trian",)))


def test_done_again_only_where_something_changed(raw: Path) -> None:
    def stamps() -> dict[str, int]:
        return {p.parent.name: p.stat().st_mtime_ns for p in (raw / "dump").glob("*/.stage.json")}

    run(raw)
    first = stamps()
    run(raw)
    assert stamps() == first
    speech_set(raw, "tgt_test", {"f-0": "Ng'ombe 3"})
    run(raw)
    assert {name for name, stamp in stamps().items() if stamp != first[name]} == {
        "src_train", "tgt_train", "tgt_test", "bitext"}
    assert "d-3" not in read_datadir(raw / "dump" / "tgt_train").text


def test_refuses_bad_options_and_folders(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="prepare: unknown key 'max_second'"):
        PrepareOptions.from_mapping({"source_lang": "en", "target_lang": "sw", "max_second": 3}, "c.yaml: prepare")
    with pytest.raises(ConfigError, match="prepare.max_drop: 'few' has the wrong type"):
        PrepareOptions.from_mapping({"max_drop": "few"}, "c.yaml: prepare")
    with pytest.raises(ConfigError, match="speed_perturb 9.0"):
        PrepareOptions("en", "sw", speed_perturb=(9.0,))
    with pytest.raises(DataError, match="empty: holds no data directory"):
        prepare(tmp_path / "empty", tmp_path / "out", OPTIONS)
    speech_set(tmp_path / "other", "train", {"a-0": "x"})
    with pytest.raises(DataError, match="no set named src_... or tgt_..., only train"):
        run(tmp_path / "other")
    with pytest.raises(ConfigError, match="a subset of 1.0 h is more than there is"):
        run(raw, PrepareOptions("en", "sw", tgt_train_hours=1.0))


def test_command(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = ["--data", str(raw / "data"), "--out", str(raw / "dump")]
    cli.main([*folders, "--source-lang", "en", "--target-lang", "sw", "--speed-perturb", "1.0 1.1"])
    printed = capsys.readouterr().out
    assert "tgt_train: 20 utterances" in printed
    assert "bitext: 2 + 1 + 1 pairs, 3 held-out sentences removed" in printed
    with pytest.raises(ConfigError, match="give --source-lang"):
        cli.main(folders)


def test_clean_pairs() -> None:
    long, words = "w " * 101, "w " * 20
    pairs = [("a", "b"), ("a", "b"), ("a", ""), (long, long), (words, "x y"), ("v w x y", "z"), ("held", "c")]
    kept, dropped = clean_pairs(pairs, {"held"})
    assert kept == [("a", "b"), ("v w x y", "z")]
    assert dropped == {"duplicate": 1, "empty": 1, "long": 1, "ratio": 1, "held_out": 1}


def test_prepare_bitext(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [("One\u2028line", "Mstari  mmoja"), ("Two", "Mbili")]
    corpus = write_bitext(tmp_path / "corpus", train=pairs, dev=pairs, test=pairs[1:])
    out = tmp_path / "data" / "bitext"
    bitext_cli.main(["--corpus", str(corpus), "--source-lang", "en", "--target-lang", "sw", "--out", str(out)])
    assert "train 2, dev 2, test 1 pairs" in capsys.readouterr().out
    assert read_pairs(out, "train", LANGUAGES) == [("One line", "Mstari mmoja"), ("Two", "Mbili")]
    (corpus / "dev.sw").write_text("Mmoja\n")
    with pytest.raises(DataError, match=r"dev.en has 2 lines and .*dev.sw has 1; line n"):
        prepare_bitext(corpus, out, LANGUAGES)
    (corpus / "dev.sw").unlink()
    with pytest.raises(DataError, match="dev.sw: no such file"):
        prepare_bitext(corpus, out, LANGUAGES)
    with pytest.raises(DataError, match="nowhere: no such folder; give --corpus"):
        prepare_bitext(tmp_path / "nowhere", out, LANGUAGES)
    assert len(read_pairs(out, "train", LANGUAGES)) == 2
