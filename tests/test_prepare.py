"""Stage 2 and the bitext: normalising, checking, subsets, perturbation, leaks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stxfer.audio.perturb import perturb_speed
from stxfer.bin import prepare as cli
from stxfer.core.errors import ConfigError, DataError
from stxfer.corpora.bitext.directory import read_pairs
from stxfer.experiment.config import load_experiment
from stxfer.experiment.prepare import PrepareOptions
from stxfer.kaldi.datadir import DataDir, read_datadir, write_datadir
from stxfer.kaldi.segments import Segment
from stxfer.prepare.sets import prepare
from stxfer.text.profiles import load_profiles, profile

OPTIONS = PrepareOptions("en", "sw", max_drop=0.5)
LANGUAGES = ("en", "sw")
BASE = Path(__file__).parents[1] / "conf" / "base.yaml"
CONFIG = f"include: [{BASE}]\nname: toy\nlanguages: {{source: en, target: sw}}\n"


def speech_set(root: Path, name: str, texts: dict[str, str], *, seconds: float = 0.5,
               human: dict[str, str] | None = None) -> None:
    """Write a raw set; an utterance is named ``<speaker>-...``."""
    wav_scp = {}
    for k, utt in enumerate(texts):
        path = root / "wav" / name / f"{utt}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw = np.random.default_rng([k, *name.encode()])
        soundfile.write(path, 0.1 * draw.normal(size=round(16000 * seconds)), 16000)
        wav_scp[utt] = str(path)
    write_datadir(root / "data" / name, DataDir(
        root / "data" / name, wav_scp, texts, {utt: utt.partition("-")[0] for utt in texts},
        dict.fromkeys(texts, seconds), texts={"text.sw.human": human} if human else {}))


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


def run(root: Path, options: PrepareOptions = OPTIONS, *, nj: int = 1, **more) -> dict:
    return prepare(root / "data", root / "dump", options, nj=nj, **more)


def test_normalises_by_language(raw: Path) -> None:
    figures = run(raw)
    source, target = (read_datadir(raw / "dump" / name) for name in ("src_train", "tgt_train"))
    assert source.text["a-3"] == "sentence number 3"
    assert source.texts["text.sw.human"]["a-3"] == "sentensi ya 3"
    assert target.text["c-4"] == "ng'ombe 4"
    given = read_datadir(raw / "data" / "src_train").text["a-3"]
    assert source.texts["text.en.raw"]["a-3"] == given != source.text["a-3"]
    assert "text.en.raw" not in target.texts
    assert (raw / "dump/bitext/test.raw.en").read_text() == "Bitext test\n"
    assert (raw / "dump/bitext/test.en").read_text() == "bitext test\n"
    assert figures["tgt_train"]["n_utts"] == 10
    assert figures["tgt_train"]["hours"] == pytest.approx(5 / 3600, abs=1e-4)


def dropped_of(root: Path, name: str) -> dict[str, tuple[str, str]]:
    """Return the stage and the reason of each utterance in a set's dropped.tsv."""
    rows = [line.split("\t") for line in (root / "dump" / name / "dropped.tsv").read_text("utf-8").splitlines()]
    return {utt: (stage, reason) for utt, stage, reason in rows}


@pytest.fixture
def broken(raw: Path) -> dict[str, tuple[str, str]]:
    """Spoil half of src_train; return what dropped.tsv is to say of each utterance."""
    data = read_datadir(raw / "data" / "src_train")
    path = data.wav_scp
    Path(path["a-0"]).unlink()
    Path(path["a-1"]).write_bytes(b"")
    soundfile.write(path["a-2"], np.zeros(16000), 16000)
    soundfile.write(path["a-3"], np.full(1000, 0.1), 16000)
    data.text["a-4"] = " "
    data.text["a-5"] = "?!"
    data.texts["text.sw.human"]["a-6"] = "..."
    data.text["a-7"] = "far too many words " * 4
    soundfile.write(path["a-8"], 0.1 * np.random.default_rng(0).normal(size=4000), 4000)
    soundfile.write(path["a-9"], np.sign(np.sin(np.arange(8000) / 9)), 16000)
    write_datadir(data.path, data, dropped={"a-10": "missing: clips/10.mp3: no such file"})
    return {
        "a-0": ("prepare", f"missing: {path['a-0']}: no such audio file"),
        "a-1": ("prepare", f"empty: {path['a-1']}: the audio file is empty (0 bytes)"),
        "a-10": ("data", "missing: clips/10.mp3: no such file"),
        "a-2": ("prepare", f"silent: {path['a-2']}: silent, its peak is 0"),
        "a-3": ("prepare", f"too_short: {path['a-3']}: 0.062 s, shorter than 0.1 s"),
        "a-4": ("prepare", "no_text: text is empty"),
        "a-5": ("prepare", "no_words: text has no letter or digit left of '?!'"),
        "a-6": ("prepare", "no_words: text.sw.human has no letter or digit left of '...'"),
        "a-7": ("prepare", "too_much_text: 75 characters in 0.50 s, over 40 a second: "
                           "'far too many words far too many words f…'"),
        "a-8": ("prepare", f"low_rate: {path['a-8']}: sampled at 4000 Hz, less than 8000 Hz"),
    }


def test_drops_and_lists(raw: Path, broken: dict[str, tuple[str, str]]) -> None:
    figures = run(raw, PrepareOptions("en", "sw", max_drop=0.95))["src_train"]
    assert dropped_of(raw, "src_train") == broken
    assert sorted(read_datadir(raw / "dump" / "src_train").text) == ["a-9"]
    assert (figures["n_raw"], figures["n_dropped"], figures["n_utts"]) == (11, 10, 1)
    assert figures["dropped"] == {"missing": 2, "empty": 1, "silent": 1, "too_short": 1, "no_text": 1, "no_words": 2,
                                  "too_much_text": 1, "low_rate": 1}
    assert figures["warnings"] == {"clipped": 1}
    report = json.loads((raw / "dump/src_train/audio.json").read_text())
    assert report["utterances"] == 10
    assert report["rates"] == {"4000": 1, "16000": 7}
    assert report["problems"]["low_rate"] == {"n": 1, "dropped": True, "utterances": {
        "a-8": "sampled at 4000 Hz, less than 8000 Hz"}}
    assert report["problems"]["clipped"]["dropped"] is False
    assert list(report["problems"]["clipped"]["utterances"]) == ["a-9"]


def test_more_than_max_drop_is_an_error(raw: Path, broken: dict[str, tuple[str, str]]) -> None:
    with pytest.raises(DataError, match=r"src_train: 10 of 11 utterances cannot be used, more than prepare.max_drop "
                       r"0.9 allows \(missing 2, no_words 2, empty 1, .*\); e.g. a-0: prepare: missing: .*a-0.wav: no "
                       r"such audio file; all are listed in .*dump/src_train.dropped.tsv. Mend the data or raise"):
        run(raw, PrepareOptions("en", "sw", max_drop=0.9))
    assert not (raw / "dump" / "src_train").exists()
    listing = raw / "dump" / "src_train.dropped.tsv"
    assert [tuple(line.split("\t")) for line in listing.read_text("utf-8").splitlines()] == [
        (utt, *why) for utt, why in broken.items()]
    run(raw, PrepareOptions("en", "sw", max_drop=0.95))
    assert not listing.exists()


def test_length_limit_spares_test_sets(raw: Path) -> None:
    speech_set(raw, "tgt_test", {"f-0": "Kesho", "f-1": "Leo"}, seconds=1.5)
    speech_set(raw, "tgt_dev", {"e-0": "Maendeleo", "e-1": "Jana"}, seconds=1.5)
    options = PrepareOptions("en", "sw", max_seconds=1.0, max_drop=0.5)
    with pytest.raises(DataError, match="tgt_dev: 2 of 2 utterances cannot be used, none is left .too_long 2"):
        run(raw, options)
    speech_set(raw, "tgt_dev", {"e-0": "Maendeleo"})
    assert run(raw, options)["tgt_test"]["n_utts"] == 2
    soundfile.write(read_datadir(raw / "data" / "tgt_test").wav_scp["f-1"], np.zeros(601 * 8000), 8000, "PCM_U8")
    assert run(raw, options)["tgt_test"]["n_utts"] == 1
    assert "601.00 s, longer than 600 s" in dropped_of(raw, "tgt_test")["f-1"][1]


def test_segments_of_a_recording(raw: Path) -> None:
    long = raw / "wav" / "long.wav"
    soundfile.write(long, 0.1 * np.random.default_rng(0).normal(size=16000 * 50), 16000)
    parts = {"c-0": Segment("long", 0.0, 2.0), "c-1": Segment("long", 10.0, 13.5), "d-2": Segment("long", 1.0, 41.0)}
    path = raw / "data" / "tgt_train"
    write_datadir(path, DataDir(path, {"long": str(long)}, {utt: f"Neno la {utt}" for utt in parts},
                                {utt: utt[0] for utt in parts}, segments=parts))
    assert run(raw, nj=2)["tgt_train"]["n_utts"] == 2
    data = read_datadir(raw / "dump" / "tgt_train")
    assert data.segments == {utt: parts[utt] for utt in ("c-0", "c-1")}
    assert data.utt2dur == {"c-0": 2.0, "c-1": 3.5}
    assert dropped_of(raw, "tgt_train") == {"d-2": ("prepare", f"too_long: {long}: 40.00 s, longer than 30 s")}


def test_statistics(raw: Path) -> None:
    speech_set(raw, "tgt_dev", {"e-0": "Ng'ombe kesho", "e-1": "Kesho"})
    figures = run(raw)
    stats = json.loads((raw / "dump" / "stats.json").read_text())
    assert stats == {name: of["stats"] for name, of in figures.items() if name != "bitext"}
    assert stats["tgt_train"]["speakers"] == 2
    assert (stats["tgt_train"]["texts"]["text"]["words"], stats["tgt_train"]["texts"]["text"]["oov"]) == (20, None)
    assert stats["tgt_dev"]["texts"]["text"]["oov"] == pytest.approx(2 / 3)
    assert stats["src_test"]["texts"]["text.sw.human"]["characters"] == 11


def test_a_set_that_vanished_is_removed(raw: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(raw)
    (raw / "dump" / "notes").mkdir()  # not ours
    shutil.rmtree(raw / "data" / "bitext")
    (raw / "data" / "src_test" / "wav.scp").unlink()  # without it a folder is no set
    speech_set(raw, "tgt_train", {"c-0": "Habari", "c-1": "jaribio hapa"})  # held out by src_test alone
    assert "src_test" not in run(raw)
    assert not (raw / "dump" / "src_test").exists() and not (raw / "dump" / "bitext").exists()
    assert (raw / "dump" / "notes").exists()
    assert "dump/src_test: removed, there is no" in caplog.text
    assert "c-1" in read_datadir(raw / "dump" / "tgt_train").text
    assert "src_test" not in json.loads((raw / "dump" / "stats.json").read_text())


def test_profiles_of_an_experiment(raw: Path) -> None:
    def stamps() -> dict[str, int]:
        return {p.parent.name: p.stat().st_mtime_ns for p in (raw / "dump").glob("*/.stage.json")}

    run(raw)
    first = stamps()
    changed = load_profiles({"sw": {"digits": "remove", "case": "keep"}})
    run(raw, profiles=changed)
    assert read_datadir(raw / "dump" / "tgt_train").text["c-4"] == "Ng'ombe"
    assert read_datadir(raw / "dump" / "src_train").texts["text.sw.human"]["a-3"] == "Sentensi ya"
    assert ("keep me", "Nitunze") in read_pairs(raw / "dump/bitext", "train", LANGUAGES)
    options = json.loads((raw / "dump" / "src_train" / ".stage.json").read_text())["options"]
    assert options["profiles"] == {"text": profile("en").identity, "text.sw.human": changed["sw"].identity}
    assert all(stamp != first[name] for name, stamp in stamps().items())


def test_rules_of_one_language_concern_the_leaks_of_another(raw: Path) -> None:
    speech_set(raw, "tgt_train", {"c-0": "Habari", "c-1": "test here"})
    run(raw)
    assert "c-1" in read_datadir(raw / "dump" / "tgt_train").text
    run(raw, profiles=load_profiles({"en": {"strip": "a"}}))  # src_test says "A test, here."
    assert "c-1" not in read_datadir(raw / "dump" / "tgt_train").text


def test_bitext_counts(raw: Path) -> None:
    assert run(raw)["bitext"]["train"] == 2
    report = json.loads((raw / "dump" / "bitext" / "dropped.json").read_text())
    train = report["train"]
    assert (train["n_raw"], train["n_pairs"]) == (7, 2)
    assert train["dropped"] == {"duplicate": 1, "empty": 1, "held_out": 3}
    assert {reason: len(pairs) for reason, pairs in train["examples"].items()} == train["dropped"]
    assert report["dev"]["dropped"] == {"empty": 1}


def test_what_a_subset_leaves_has_no_transcripts(raw: Path) -> None:
    speech_set(raw, "tgt_test", {"f-0": "Ng'ombe 7"})  # what the test set says is in neither part
    options = PrepareOptions("en", "sw", tgt_train_hours=2 / 3600, untranscribed=True)
    figures = run(raw, options)
    taken, left = (read_datadir(raw / "dump" / name) for name in ("tgt_train", "tgt_untranscribed_train"))
    assert set(taken.utts) | set(left.utts) == set(read_datadir(raw / "data/tgt_train").utts) - {"d-7"}
    assert set(taken.utts).isdisjoint(left.utts) and (len(taken), len(left)) == (4, 5)
    assert set(left.text.values()) == {""} and not left.texts and left.hours == pytest.approx(2.5 / 3600)
    assert figures["tgt_untranscribed_train"]["n_utts"] == 5
    markers = [raw / "dump" / name / ".stage.json" for name in ("tgt_train", "tgt_untranscribed_train")]
    before = [marker.stat().st_mtime_ns for marker in markers]
    run(raw, options)
    assert [marker.stat().st_mtime_ns for marker in markers] == before
    run(raw, PrepareOptions("en", "sw", tgt_train_hours=2 / 3600))
    assert markers[0].stat().st_mtime_ns == before[0] and not markers[1].parent.exists()
    with pytest.raises(DataError, match="the subset takes all of it; nothing is left to be untranscribed"):
        run(raw, PrepareOptions("en", "sw", tgt_train_hours=4.5 / 3600, untranscribed=True))
    with pytest.raises(ConfigError, match="untranscribed: needs tgt_train_hours"):
        PrepareOptions("en", "sw", untranscribed=True)


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


@pytest.mark.parametrize(("values", "message"), [
    ({"max_second": 3}, "c.yaml: prepare: unknown key 'max_second'; known: audio_leaks leaks max_chars_per_second"),
    ({"max_drop": "few"}, "c.yaml: prepare.max_drop: 'few' must be a number"),
    ({"max_drop": 1.5}, "c.yaml: prepare.max_drop: 1.5 must be at most 1"),
    ({"max_seconds": 0}, "c.yaml: prepare.max_seconds: 0 must be more than 0.1"),
    ({"min_rate": 8000.5}, "c.yaml: prepare.min_rate: 8000.5 must be a whole number"),
    ({"min_rate": -1}, "c.yaml: prepare.min_rate: -1 must be at least 0"),
    ({"leaks": "keep"}, "c.yaml: prepare.leaks: 'keep' must be one of remove report stop"),
    ({"speed_perturb": "fast"}, "c.yaml: prepare.speed_perturb: 'fast' must be a list"),
    ({"speed_perturb": 0.9}, "c.yaml: prepare.speed_perturb: 0.9 must be a list"),
    ({"speed_perturb": [9]}, "c.yaml: prepare.speed_perturb[0]: 9 must be at most 2"),
    ({"speed_perturb": "1 1.0"}, "c.yaml: prepare.speed_perturb: '1 1.0' has 1.0 twice"),
    ({"target_lang": "sw"}, "c.yaml: prepare: unknown key 'target_lang'"),
])
def test_options_are_checked(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        PrepareOptions.read(values, "c.yaml", ("prepare",))
    assert str(error.value).startswith(message)


def test_options_of_an_experiment_are_checked_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(CONFIG + "prepare: {leaks: ignore}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="toy.yaml: prepare.leaks: 'ignore' must be one of"):
        load_experiment(path)


def test_refuses_bad_folders(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="empty: holds no data directory"):
        prepare(tmp_path / "empty", tmp_path / "out", OPTIONS)
    speech_set(tmp_path / "other", "train", {"a-0": "x"})
    with pytest.raises(DataError, match="no set named src_... or tgt_..., only train"):
        run(tmp_path / "other")
    with pytest.raises(ConfigError, match="a subset of 1.0 h is more than there is"):
        run(raw, PrepareOptions("en", "sw", tgt_train_hours=1.0))


def test_command(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = ["--data", str(raw / "data"), "--out", str(raw / "dump"), "--nj", "1"]
    with pytest.raises(ConfigError, match="give --source-lang"):
        cli.main(folders)
    data = read_datadir(raw / "data" / "src_train")
    soundfile.write(data.wav_scp["a-0"], np.zeros(16000), 16000)
    soundfile.write(data.wav_scp["a-9"], np.sign(np.sin(np.arange(8000) / 9)), 16000)
    config = raw / "toy.yaml"
    config.write_text(CONFIG + "prepare: {max_drop: 0.05}\n", encoding="utf-8")
    cli.main([*folders, "--config", str(config), "--speed-perturb", "1.0 1.1", "--max-drop", "0.1"])
    printed = capsys.readouterr().out
    assert ("src_train: 9 utterances, 0.00 h, 1 speakers, 27 words, 135 characters; dropped: silent 1; "
            "warnings: clipped 1\n") in printed
    assert "tgt_train: 20 utterances" in printed
    assert "tgt_dev: 1 utterances, 0.00 h, 1 speakers, 1 words, 9 characters, 100.0 % of words not in" in printed
    assert "bitext: 2 + 1 + 1 pairs; 3 held-out sentences removed" in printed
    assert "dump say which and why" in printed
