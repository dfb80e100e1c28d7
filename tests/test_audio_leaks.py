"""What training shares with dev and test besides sentences: audio, recordings, speakers, nearly the same sentences."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from test_prepare import write_bitext

from stxfer.audio.check import AudioReport
from stxfer.bin import prepare as cli
from stxfer.bin import prepare_common_voice, prepare_kaldi_dir, prepare_manifest
from stxfer.core.errors import DataError
from stxfer.experiment.prepare import PrepareOptions
from stxfer.kaldi.datadir import Audio, DataDir, read_datadir
from stxfer.kaldi.segments import Segment
from stxfer.prepare.held_audio import HELD_AUDIO, HeldAudio, write_held_audio
from stxfer.prepare.sets import prepare
from stxfer.report.leaks import leak_lines
from stxfer.text.near import NearIndex, sentence_key

RATE = 16000


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with talk.wav of 8 s, call.wav of 4 s and two channels, and clips of 1 s: a.wav, b.wav, copies of a."""
    monkeypatch.chdir(tmp_path)
    noise = 0.1 * np.random.default_rng(0).normal(size=(8 * RATE, 4))
    soundfile.write("talk.wav", noise[:, 0], RATE)
    soundfile.write("call.wav", noise[:4 * RATE, 1:3], RATE)
    for name, k in (("a", 0), ("b", 1), ("c", 2)):
        soundfile.write(f"{name}.wav", noise[:RATE, 3] if k == 0 else noise[k * RATE:(k + 1) * RATE, 3], RATE)
    samples, _ = soundfile.read("a.wav", dtype="int16")
    soundfile.write("copy.wav", samples, RATE)
    soundfile.write("copy.flac", samples, RATE)
    soundfile.write("louder.wav", samples // 2, RATE)
    soundfile.write("cut.wav", samples[:-800], RATE)
    return tmp_path


Rows = Sequence[Mapping[str, object]]


def manifest(name: str, rows: Rows, speakers: Sequence[str] = ()) -> None:
    """Make a set of a manifest of NeMo's; utterances are u1, u2 ... of the set, each with a text of its own."""
    lines = [{"utt": f"u{k}", "text": f"{name[4:]} {'abcdefgh'[k] * 3}", **row,
              **({"speaker": speakers[k - 1]} if speakers else {})} for k, row in enumerate(rows, 1)]
    Path(f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    prepare_manifest.main(["--manifest", f"{name}.jsonl", "--set", name, "--out", "data"])


def common_voice(name: str, rows: Rows) -> None:
    folder = Path(name)
    (folder / "clips").mkdir(parents=True)
    table = ["client_id\tpath\tsentence"]
    for k, row in enumerate(rows, 1):
        audio = str(row["audio"])
        (folder / "clips" / f"{k}-{audio}").write_bytes(Path(audio).read_bytes())
        table.append(f"u{k}\t{k}-{audio}\t{name[4:]} {'abcdefgh'[k] * 3}")
    (folder / f"{name[4:]}.tsv").write_text("\n".join(table) + "\n")
    prepare_common_voice.main(["--corpus", name, "--prefix", "tgt", "--splits", name[4:], "--out", "data"])


def kaldi(name: str, rows: Rows) -> None:
    folder = Path(name)
    folder.mkdir()
    tables = {"wav.scp": {f"r{k}": str(row["audio"]) for k, row in enumerate(rows, 1)},
              "segments": {f"u{k}": f"r{k} {row.get('offset', 0)} {row.get('end', -1)}"
                           for k, row in enumerate(rows, 1)},
              "text": {f"u{k}": f"{name[4:]} {'abcdefgh'[k] * 3}" for k, _ in enumerate(rows, 1)},
              "utt2spk": {f"u{k}": f"u{k}" for k, _ in enumerate(rows, 1)}}
    for table, lines in tables.items():
        (folder / table).write_text("".join(f"{key} {value}\n" for key, value in lines.items()))
    prepare_kaldi_dir.main(["--dir", name, "--set", name, "--out", "data"])


def part(audio: str, offset: float, duration: float, **more: object) -> dict[str, object]:
    return {"audio": audio, "offset": offset, "duration": duration, **more}


def run(**options: Any) -> dict[str, dict[str, Any]]:
    return prepare("data", "dump", PrepareOptions("en", "sw", **options), nj=1)


def found() -> dict[str, Any]:
    leaks: dict[str, Any] = json.loads(Path("dump/leaks.json").read_text())
    return leaks


#: Form of the corpus, audio of training and test, and what is found of training's second utterance (the first is free).
AUDIO: dict[str, tuple[Any, Mapping[str, object], Mapping[str, object], str | None]] = {
    "one file": (manifest, {"audio": "a.wav"}, {"audio": "a.wav"}, "the same audio as tgt_test/u1"),
    "a copy of another name": (manifest, {"audio": "copy.wav"}, {"audio": "a.wav"}, "the same audio as tgt_test/u1"),
    "a copy in another format": (manifest, {"audio": "copy.flac"}, {"audio": "a.wav"}, "the same audio as tgt_test/u1"),
    "a louder one": (manifest, {"audio": "louder.wav"}, {"audio": "a.wav"}, None),
    "a shorter one": (manifest, {"audio": "cut.wav"}, {"audio": "a.wav"}, None),
    "one segment": (manifest, part("talk.wav", 1.0, 1.5), part("talk.wav", 1.0, 1.5), "the same audio as tgt_test/u1"),
    "segments that overlap": (manifest, part("talk.wav", 1.0, 1.5), part("talk.wav", 2.0, 1.5),
                              "0.50 s of the recording in common with tgt_test/u1"),
    "neighbours with a pause in common": (manifest, part("talk.wav", 1.0, 1.5), part("talk.wav", 2.25, 1.5), None),
    "a segment of the whole": (manifest, part("talk.wav", 1.0, 1.5), {"audio": "talk.wav"},
                               "1.50 s of the recording in common with tgt_test/u1"),
    "the other channel": (manifest, {"audio": "call.wav", "channel": "A"}, {"audio": "call.wav", "channel": "B"}, None),
    "that channel": (manifest, part("call.wav", 0.0, 2.0, channel="B"), {"audio": "call.wav", "channel": "B"},
                     "2.00 s of the recording in common with tgt_test/u1"),
    "one channel of both": (manifest, {"audio": "call.wav", "channel": "A"}, {"audio": "call.wav"},
                            "all of the recording of tgt_test/u1"),
    "Common Voice, a clip twice": (common_voice, {"audio": "a.wav"}, {"audio": "a.wav"},
                                   "the same audio as tgt_test/u1-1-a"),
    "Common Voice, another clip": (common_voice, {"audio": "b.wav"}, {"audio": "a.wav"}, None),
    "Kaldi, segments that overlap": (kaldi, {"audio": "talk.wav", "offset": 3}, {"audio": "talk.wav", "offset": 6},
                                     "2.00 s of the recording in common with tgt_test/u1"),
    "Kaldi, segments that do not": (kaldi, {"audio": "talk.wav", "end": 3}, {"audio": "talk.wav", "offset": 3}, None),
}


@pytest.mark.parametrize("case", AUDIO)
def test_audio_of_the_test_set(root: Path, case: str) -> None:
    form, training, testing, expected = AUDIO[case]
    form("tgt_train", [{"audio": "c.wav"}, training])
    form("tgt_test", [testing])
    figures = run()
    free, second = read_datadir("data/tgt_train").utts
    assert read_datadir("dump/tgt_train").utts == ([free] if expected else [free, second])
    assert read_datadir("dump/tgt_test").utts == read_datadir("data/tgt_test").utts
    audio = found()["audio"]
    assert (audio["leaks"], audio["n"]) == ("remove", int(expected is not None))
    of = audio["found_in"]["tgt_train"]
    assert of["examples"] == ([{"utterance": second, "audio": expected}] if expected else [])
    same = training["audio"] == testing["audio"] and form is not common_voice
    assert of["recordings"] == int(same and not expected)
    assert figures["tgt_train"]["dropped"] == ({"leak": 1} if expected else {})
    if expected:
        assert Path("dump/tgt_train/dropped.tsv").read_text() == f"{second}\tprepare\tleak: {expected}\n"


def test_policies(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest("tgt_train", [{"audio": "copy.wav"}, {"audio": "c.wav"}])
    manifest("tgt_dev", [{"audio": "a.wav"}])
    with pytest.raises(DataError) as error:
        run(audio_leaks="stop")
    assert str(error.value) == ("data/tgt_train: 1 utterances have audio of dev or test, e.g. u1: the same audio as "
                                "tgt_dev/u1; take them out, or set audio_leaks to remove or report")
    assert not Path("dump/tgt_train").exists()
    run(audio_leaks="report")
    assert read_datadir("dump/tgt_train").utts == ["u1", "u2"]
    assert (found()["audio"]["leaks"], found()["audio"]["n"]) == ("report", 1)
    capsys.readouterr()
    cli.main(["--data", "data", "--out", "dump", "--source-lang", "en", "--target-lang", "sw", "--nj", "1"])
    assert "; 1 utterances with audio of dev or test removed" in capsys.readouterr().out
    assert read_datadir("dump/tgt_train").utts == ["u2"]


def test_source_and_target_and_what_changes(root: Path) -> None:
    """Audio of a target test set in source training is found, and looked for again when the test set changes."""
    manifest("src_train", [{"audio": "copy.wav"}, {"audio": "c.wav"}])
    manifest("tgt_test", [{"audio": "b.wav"}])
    run()
    assert read_datadir("dump/src_train").utts == ["u1", "u2"]
    before = Path("dump/src_train/.stage.json").stat().st_mtime_ns
    run()
    assert Path("dump/src_train/.stage.json").stat().st_mtime_ns == before
    manifest("tgt_test", [{"audio": "a.wav"}])
    run()
    assert read_datadir("dump/src_train").utts == ["u2"]
    Path("dump/tgt_test", HELD_AUDIO).unlink()  # as a directory made before there was such a file
    run()
    assert Path("dump/tgt_test", HELD_AUDIO).exists() and read_datadir("dump/src_train").utts == ["u2"]


def test_dev_and_test(root: Path) -> None:
    """What dev shares with test is told and left: no more is trained on it."""
    manifest("tgt_dev", [{"audio": "copy.wav"}, {"audio": "c.wav"}, part("talk.wav", 1, 2)], ["ada", "ben", "eva"])
    manifest("tgt_test", [{"audio": "a.wav"}, part("talk.wav", 2.5, 2)], ["ada", "zoe"])
    run()
    assert len(read_datadir("dump/tgt_dev")) == 3
    assert found()["audio"]["dev_in_test"] == {"tgt_dev": {"n": 2, "examples": [
        {"utterance": "ada-u1", "audio": "the same audio as tgt_test/ada-u1"},
        {"utterance": "eva-u3", "audio": "0.50 s of the recording in common with tgt_test/zoe-u2"}]}}
    assert found()["speakers"] == {
        "tgt_dev": {"speakers": 3, "shared": {}},
        "tgt_test": {"speakers": 2, "shared": {"tgt_dev": {"n": 1, "utterances": 1, "examples": ["ada"]}}}}
    run(max_shared_speakers=0.0)
    assert list(leak_lines(found()))[-2:] == [
        "Audio of test in dev: 2 (tgt_dev 2), left there",
        "Speakers of tgt_test in tgt_dev: 1 of 2, who speak 1 of its utterances"]


_SPANS = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 60), st.sampled_from([None, 0, 1])), max_size=12)


@given(_SPANS, st.tuples(st.integers(0, 100), st.integers(1, 60), st.sampled_from([None, 0, 1])))
def test_overlaps_are_those_that_every_pair_tells(tmp_path_factory: pytest.TempPathFactory,
                                                  held: list[tuple[int, int, int | None]],
                                                  one: tuple[int, int, int | None]) -> None:
    def audio(start: int, length: int, channel: int | None) -> Audio:
        return Audio("talk.wav", start / 10, None if length == 60 else (start + length) / 10, channel=channel)

    out = tmp_path_factory.mktemp("held")
    (out / "tgt_test").mkdir()
    utts = {f"u{k:02}": audio(*span) for k, span in enumerate(held)}
    data = DataDir(out, {"talk": "talk.wav"}, dict.fromkeys(utts, "x"), dict.fromkeys(utts, "s"), segments={
        utt: Segment("talk", a.start, a.end, a.channel) for utt, a in utts.items()})
    write_held_audio(out / "tgt_test", data, {utt: AudioReport(1.0, RATE, 1, digest=utt) for utt in utts})
    heard = HeldAudio(out, ["tgt_test"]).find(audio(*one), "another")
    end = 10.0 ** 6 if one[1] == 60 else (one[0] + one[1]) / 10
    shared = [utt for utt, a in utts.items() if min(end, a.end or 10.0 ** 6) - max(one[0] / 10, a.start) > 0.3
              and (None in (one[2], a.channel) or one[2] == a.channel)]
    assert (heard is not None) == bool(shared)
    assert heard is None or heard.place.removeprefix("tgt_test/") in shared


@pytest.mark.parametrize(("change", "line"), [
    (lambda lines: [], 1), (lambda lines: lines[1:], 1), (lambda lines: ["utterance\tdigest\n", *lines[1:]], 1),
    (lambda lines: [*lines, "u9\n"], 3), (lambda lines: [*lines, "u9\td\tp\t\tx\t\n"], 3),
    (lambda lines: [*lines, "u9\td\tp\tleft\t0.0\t\n"], 3), (lambda lines: [*lines, "u9\td\tp\t\t0\t\t1\n"], 3),
    (lambda lines: [lines[0], "\udce9" + lines[1]], 2)])
def test_a_list_of_audio_that_was_changed_is_named(tmp_path: Path, change: Callable[[list[str]], list[str]],
                                                   line: int) -> None:
    (tmp_path / "tgt_test").mkdir()
    data = DataDir(tmp_path, {"u": "a.wav"}, {"u": "x"}, {"u": "s"})
    path = write_held_audio(tmp_path / "tgt_test", data, {"u": AudioReport(1.0, RATE, 1, digest="d")})
    assert HeldAudio(tmp_path, ["tgt_test"]).recordings == {"a.wav"}
    lines = change(path.read_text(encoding="utf-8").splitlines(keepends=True))
    path.write_text("".join(lines), encoding="utf-8", errors="surrogateescape")
    with pytest.raises(DataError, match=f"^{path}:{line}: not as stage 'prepare' has written it; remove it and run "):
        HeldAudio(tmp_path, ["tgt_test"])


def test_what_is_a_sentence_and_audio_of_the_test_is_dropped_once(root: Path) -> None:
    manifest("tgt_test", [{"audio": "a.wav", "text": "habari za asubuhi"}])
    manifest("tgt_train", [{"audio": "copy.wav", "text": "Habari za asubuhi."}, {"audio": "c.wav"}])
    run()
    assert Path("dump/tgt_train/dropped.tsv").read_text() == (
        "u1\tprepare\tleak: 'habari za asubuhi' stands in tgt_test/text\n")
    assert (found()["n"], found()["audio"]["n"]) == (1, 1)


def test_copies_at_other_speeds_hide_nothing(root: Path) -> None:
    manifest("tgt_test", [{"audio": "a.wav"}], ["ada"])
    manifest("tgt_train", [{"audio": "copy.wav"}, {"audio": "c.wav"}, {"audio": "b.wav"}], ["ben", "ada", "ben"])
    run(speed_perturb=(0.9, 1.0), perturb_sets=("tgt_train", "tgt_test"))
    assert read_datadir("dump/tgt_train").utts == ["ada-u2", "ben-u3", "sp0.9-ada-u2", "sp0.9-ben-u3"]
    assert found()["speakers"]["tgt_test"] == {"speakers": 1, "shared": {"tgt_train": {
        "n": 1, "utterances": 1, "examples": ["ada"]}}}


#: Speakers of training, of test, and what is found.
SPEAKERS: dict[str, tuple[Sequence[str], Sequence[str], int | None, int, int]] = {
    "none": (["ada", "ben"], ["eva", "eva"], 1, 0, 0),
    "one of two": (["ada", "ben"], ["ada", "eva", "eva"], 2, 1, 1),
    "all": (["ada", "ben"], ["ben", "ada", "ada"], 2, 2, 3),
    "nobody knows": ((), (), None, 0, 0),
    "a set of one": (["ada", "ben"], ["ada"], 1, 1, 1),
    "each speaks once, and again": (["ada", "ben"], ["ada", "eva"], 2, 1, 1),
}


@pytest.mark.parametrize("case", SPEAKERS)
def test_speakers(root: Path, case: str) -> None:
    training, testing, n_speakers, shared, utterances = SPEAKERS[case]
    manifest("tgt_train", [{"audio": "a.wav"}, {"audio": "b.wav"}], training)
    manifest("src_train", [{"audio": "a.wav"}], ["ada"])  # of another corpus: a name says nothing
    clips = [part("talk.wav", k, 0.5) for k in range(len(testing) or 2)]
    manifest("tgt_test", clips, testing)
    run()
    assert set(found()["speakers"]) == {"tgt_test"}
    of = found()["speakers"]["tgt_test"]
    assert (of["speakers"], of["shared"]["tgt_train"]["n"], of["shared"]["tgt_train"]["utterances"]) == (
        n_speakers, shared, utterances)
    share = shared / (n_speakers or 1)
    run(max_shared_speakers=share)
    if shared:
        names = " ".join(of["shared"]["tgt_train"]["examples"])
        with pytest.raises(DataError) as error:
            run(max_shared_speakers=share / 2)
        assert str(error.value) == (
            f"dump/tgt_test: {shared} of its {n_speakers} speakers speak in tgt_train, too, more than "
            f"max_shared_speakers {share / 2:g} allows, e.g. {names}; take sets that share none, or raise the limit")
        assert found()["speakers"]["tgt_test"]["shared"]["tgt_train"]["n"] == shared


HELD = "leo asubuhi mtoto anasoma kitabu kipya"
NEAR: dict[str, tuple[str, str, bool]] = {
    "the same": (HELD, HELD, True),
    "capitals and punctuation": ("Leo, asubuhi: mtoto anasoma KITABU kipya!", HELD, True),
    "spaces": ("leo asubuhi mtoto ana soma kitabu kipya", HELD, True),
    "another word": ("leo asubuhi mtoto anasoma gazeti kipya", HELD, True),
    "another first word": ("jana asubuhi mtoto anasoma kitabu kipya", HELD, True),
    "another last word": ("leo asubuhi mtoto anasoma kitabu kikubwa", HELD, True),
    "a word more": ("leo asubuhi mtoto wangu anasoma kitabu kipya", HELD, True),
    "a word less": ("leo mtoto anasoma kitabu kipya", HELD, True),
    "a word moved": ("asubuhi mtoto anasoma kitabu kipya leo", HELD, True),
    "two words": ("jana jioni mtoto anasoma kitabu kipya", HELD, False),
    "a phrase": ("mtoto anasoma kitabu", "mtoto anasoma gazeti", False),
    "a phrase in capitals": ("Mtoto anasoma: kitabu", "mtoto anasoma kitabu", True),
    "Turkish i": ("IŞIK açık kaldı bu gece evde", "ışık açık kaldı bu sabah evde", True),
    "Chinese": ("今天早上孩子在家里读一本新书", "今天晚上孩子在家里读一本新书", True),
    "Chinese, more": ("今天早上孩子在家里读一本新书", "今天晚上孩子在学校里读一本新书", False),
    "nothing": ("!", "...", False),
}


@pytest.mark.parametrize("case", NEAR)
def test_nearly_the_same_sentence(case: str) -> None:
    one, other, near = NEAR[case]
    assert NearIndex({other: "tgt_test/text"}).find(one) == (other if near else None)
    assert NearIndex({one: "tgt_test/text"}).find(other) == (one if near else None)


@given(st.lists(st.sampled_from(["moja", "mbili", "tatu", "nne", "tano", "sita"]), min_size=5, max_size=9), st.data())
def test_one_word_is_always_found(words: list[str], draw: st.DataObject) -> None:
    place = draw.draw(st.integers(0, len(words) - 1))
    index = NearIndex({" ".join(words): "x"})
    for changed in (words[:place] + words[place + 1:], [*words[:place], "saba", *words[place + 1:]],
                    [*words[:place], "saba", *words[place:]]):
        rest = min(len(words), len(changed)) - (len(changed) == len(words))
        if rest >= 4 and len("".join(words)) - max(map(len, words)) >= 12:
            assert index.find(" ".join(changed)) == " ".join(words)
    assert index.find(" ".join(words).upper() + "!") == " ".join(words)
    assert sentence_key(" ".join(words).upper() + "!") == "".join(words)


def test_near_sentences_are_counted_and_stay(root: Path) -> None:
    manifest("tgt_test", [{"audio": "a.wav", "text": HELD}])
    manifest("tgt_train", [{"audio": "c.wav", "text": "Leo asubuhi mtoto anasoma gazeti kipya"},
                           {"audio": "b.wav", "text": "Kitu kingine kabisa hapa leo"}])
    write_bitext(Path("data/bitext"), train=[("a", "leo asubuhi mtoto anasoma kitabu"), ("b", HELD)], dev=[("c", "d")],
                 test=[("e", "f")])
    run()
    assert read_datadir("dump/tgt_train").utts == ["u1", "u2"]
    assert found()["found_in"]["tgt_train"] == {"n": 0, "examples": [], "near": {"n": 1, "examples": [
        {"sentence": "leo asubuhi mtoto anasoma gazeti kipya", "near": HELD, "in": "tgt_test/text"}]}}


def test_the_report_names_what_was_found(root: Path) -> None:
    manifest("tgt_test", [{"audio": "a.wav", "text": HELD}, part("talk.wav", 0, 1), part("talk.wav", 1, 1)],
             ["ada", "ben", "ben"])
    manifest("tgt_train", [{"audio": "copy.wav"}, part("talk.wav", 6, 2, text=HELD + " leo"),
                           {"audio": "b.wav", "text": HELD}, part("talk.wav", 5, 1)], ["ben"] * 4)
    run()
    assert list(leak_lines(found())) == [
        "Sentences of dev and test in training text: 1 (tgt_train 1), removed from training",
        "Training utterances with nearly such a sentence (case, punctuation or one word differs): 1 (tgt_train 1), "
        f"left in training, e.g. `{HELD} leo` for `{HELD}` of tgt_test/text",
        "Audio of dev and test in training: 1 (tgt_train 1), removed from training",
        "Recordings of which training has one part, and dev or test another: 1",
        "Speakers of tgt_test in tgt_train: 1 of 2, who speak 2 of its utterances"]
    manifest("tgt_test", [{"audio": "louder.wav"}, {"audio": "cut.wav"}])
    manifest("tgt_train", [{"audio": "b.wav"}])
    run(leaks="report")
    assert list(leak_lines(found())) == [
        "Sentences of dev and test in training text: none",
        "Training utterances with nearly such a sentence (case, punctuation or one word differs): none",
        "Audio of dev and test in training: none",
        "Speakers of tgt_test in tgt_train: not known, the corpus does not tell who speaks"]
    assert list(leak_lines(None)) == []
