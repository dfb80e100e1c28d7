"""Which part of which channel of a file is meant: taken as the corpus's form says, or refused; never dropped."""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import kaldiio
import numpy as np
import pytest
import soundfile

from stxfer.audio.dump import dump_fbank
from stxfer.audio.io import load_audio
from stxfer.audio.shards import Reader
from stxfer.bin import datadir as tools
from stxfer.bin import prepare_common_voice, prepare_kaldi_dir, prepare_manifest
from stxfer.core.errors import DataError
from stxfer.corpora.parts import Meaning, PartColumns, PartOptions, meaning
from stxfer.experiment.prepare import PrepareOptions
from stxfer.kaldi.check import check_datadir
from stxfer.kaldi.datadir import Audio, read_datadir
from stxfer.prepare.sets import prepare

RATE = 16000
TALK, CALL, CLIP = "talk.wav", "call.wav", "clip.wav"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder ``in`` with talk.wav of 8 s, call.wav of 4 s and two voices in two channels, clip.wav of 1.25 s."""
    folder = tmp_path / "in"
    folder.mkdir()
    noise = 0.1 * np.random.default_rng(0).normal(size=(8 * RATE, 2))
    soundfile.write(folder / TALK, noise[:, 0], RATE)
    soundfile.write(folder / CALL, noise[:4 * RATE], RATE)
    soundfile.write(folder / CLIP, noise[:RATE * 5 // 4, 1], RATE)
    return folder


class Taken(NamedTuple):
    """The part of a file that an utterance must be."""

    file: str
    start: float = 0.0
    end: float | None = None
    channel: int | None = None


Result = Mapping[str, Taken] | str  # parts by utterance, or the message that refuses


class Case(NamedTuple):
    """A corpus's files by name, the command's further options, and what must come of it."""

    files: Mapping[str, str]
    result: Result
    options: str = ""


def jsonl(*rows: Mapping[str, object]) -> dict[str, str]:
    return {"m.jsonl": "".join(json.dumps({"text": "moja", **row}) + "\n" for row in rows)}


def tsv(header: str, *rows: str, name: str = "m.tsv") -> dict[str, str]:
    return {name: "".join(line.replace(" ", "\t") + "\n" for line in (header, *rows))}


NEMO = {
    "offset and duration": Case(
        jsonl({"audio_filepath": TALK, "offset": 1.5, "duration": 2.25},
              {"audio_filepath": TALK, "offset": 4, "duration": 1.0}),
        {"talk-00001500-00003750": Taken(TALK, 1.5, 3.75), "talk-00004000-00005000": Taken(TALK, 4.0, 5.0)}),
    "duration alone that is the file's": Case(jsonl({"audio_filepath": CLIP, "duration": 1.25},
                                                    {"audio_filepath": TALK, "duration": 8.0}),
                                              {"clip": Taken(CLIP), "talk": Taken(TALK)}),
    "duration alone, rounded": Case(jsonl({"audio_filepath": CLIP, "duration": 1.2}), {"clip": Taken(CLIP)}),
    "duration alone that is shorter": Case(jsonl({"audio_filepath": TALK, "duration": 2.5}),
                                           {"talk": Taken(TALK, 0.0, 2.5)}),
    "channel counted from 0": Case(
        jsonl({"audio_filepath": CALL, "offset": 0, "duration": 4.0, "channel": 0},
              {"audio_filepath": CALL, "offset": 0, "duration": 4.0, "channel": 1}),
        {"call-A": Taken(CALL, channel=0), "call-B": Taken(CALL, channel=1)}),
    "milliseconds": Case(jsonl({"audio_filepath": TALK, "offset": 1500, "duration": 2250}),
                         "m.jsonl:1: 1500 to 3750 lies beyond the end of <in>/talk.wav, which lasts 8.00 s; are the "
                         "times milliseconds? Say --times ms, or --times s to have what is outside left out"),
    "milliseconds by option": Case(jsonl({"audio_filepath": TALK, "offset": 1500, "duration": 2250}),
                                   {"talk-00001500-00003750": Taken(TALK, 1.5, 3.75)}, "--times ms"),
    "channel 1 of 2, from 0 or 1": Case(jsonl({"audio_filepath": CALL, "channel": 1}),
                                        "m.jsonl:1: channel 1 of <in>/call.wav, which has 2: is the first one 0 or 1? "
                                        "Say it with --first-channel"),
    "channel 1 by option": Case(jsonl({"audio_filepath": CALL, "channel": 1}), {"call-B": Taken(CALL, channel=1)},
                                "--first-channel 0"),
    "several channels": Case(jsonl({"audio_filepath": CALL, "channel": [0, 1]}),
                             "m.jsonl:1: column 'channel' is neither text nor a number"),
}
TABLES = {
    "start and end of Hugging Face": Case(
        tsv("audio text begin_time end_time", f"{TALK} moja 0.5 2", f"{TALK} mbili 2 3.5"),
        {"talk-00000500-00002000": Taken(TALK, 0.5, 2.0), "talk-00002000-00003500": Taken(TALK, 2.0, 3.5)}),
    "milliseconds by name": Case(tsv("audio text start_ms end_ms", f"{TALK} moja 500 2000"),
                                 {"talk-00000500-00002000": Taken(TALK, 0.5, 2.0)}),
    "onset and offset": Case(tsv("audio text onset offset", f"{TALK} moja 1 2.5"),
                             {"talk-00001000-00002500": Taken(TALK, 1.0, 2.5)}),
    "start, end and duration": Case(tsv("audio text Start(s) End(s) Duration(s)", f"{TALK} moja 1 2.5 1.5"),
                                    {"talk-00001000-00002500": Taken(TALK, 1.0, 2.5)}),
    "left and right": Case(tsv("audio text channel", f"{CALL} moja left", f"{CALL} mbili R"),
                           {"call-A": Taken(CALL, channel=0), "call-B": Taken(CALL, channel=1)}),
    "channels from 1, as the file tells": Case(
        tsv("utt audio text channel", f"u1 {CALL} moja 1", f"u2 {CALL} mbili 2", f"u3 {CLIP} tatu 1"),
        {"u1": Taken(CALL, channel=0), "u2": Taken(CALL, channel=1), "u3": Taken(CLIP, channel=0)}),
    "a name of the table's own": Case(tsv("audio text t0_ms t1", f"{TALK} moja 500 2.0"),
                                      "m.tsv:1: column 't0_ms' tells the unit of its times and 't1' does not; say it "
                                      "with --times s or --times ms", "--columns 'start=t0_ms end=t1'"),
    "two units by option": Case(tsv("audio text t0_ms t1", f"{TALK} moja 500 2.0"),
                                {"talk-00000500-00002000": Taken(TALK, 0.5, 2.0)},
                                "--columns 'start=t0_ms end=t1' --times s"),
    "end, start and another duration": Case(
        tsv("audio text start end duration", f"{TALK} moja 1 2 8"),
        "m.tsv:2: starts at 1 s, lasts 8 s and ends at 2 s; mend it, or say that column 'duration' is not about it "
        "with --ignore-columns 'duration'"),
    "another duration ignored": Case(tsv("audio text start end duration", f"{TALK} moja 1 2 8"),
                                     {"talk-00001000-00002000": Taken(TALK, 1.0, 2.0)}, "--ignore-columns duration"),
    "two starts": Case(tsv("audio text start offset", f"{TALK} moja 1 2"),
                       "m.tsv:1: columns 'start' and 'offset' both say the start; take one with --columns "
                       "'start=start' and the other out with --ignore-columns 'offset'"),
    "samples": Case(tsv("audio text start_sample duration", f"{TALK} moja 16000 2"),
                    "m.tsv:1: column 'start_sample' counts samples; write seconds or milliseconds, or say that it is "
                    "not about the audio with --ignore-columns 'start_sample'"),
    "a channel of another kind": Case(tsv("audio text channel", f"{TALK} moja UCx7"),
                                      "m.tsv:2: column 'channel': channel 'UCx7' is not one of A, B ... or 1, 2 ...; "
                                      "mend it, or say that it is not about the audio with --ignore-columns 'channel'"),
    "two channels of one": Case(tsv("audio text channel", f"{TALK} moja A", f"{TALK} mbili B"),
                                "m.tsv:3: channel B of <in>/talk.wav, of which talk-A takes channel A; but it has one "
                                "channel"),
}
HEAD = "client_id path sentence"
COMMON_VOICE = {
    "its own columns": Case(tsv(f"{HEAD} segment variant", f"ada {TALK} moja Benchmark x", name="train.tsv"),
                            {"ada-talk": Taken(TALK)}),
    "start and duration": Case(tsv(f"{HEAD} start duration", f"ada {TALK} moja 0.5 1.5", f"ada {TALK} mbili 3 1",
                                   name="train.tsv"),
                               {"ada-talk-00000500-00002000": Taken(TALK, 0.5, 2.0),
                                "ada-talk-00003000-00004000": Taken(TALK, 3.0, 4.0)}),
    "durations in milliseconds": Case(tsv(f"{HEAD} duration_ms", f"ada {CLIP} moja 1250", name="train.tsv"),
                                      {"ada-clip": Taken(CLIP)}),
    "channels": Case(tsv(f"{HEAD} channel", f"ada {CALL} moja A", f"ben {CALL} mbili B", name="train.tsv"),
                     {"ada-call-A": Taken(CALL, channel=0), "ben-call-B": Taken(CALL, channel=1)}),
    "a channel and a duration that the release tells": Case(
        tsv(f"{HEAD} channel", f"ada {CALL} moja 2", name="train.tsv")
        | tsv("clip duration[ms]", f"{CALL} 4000", name="clip_durations.tsv"),
        {"ada-call-B": Taken(CALL, channel=1)}),
    "times in doubt": Case(tsv(f"{HEAD} start end", f"ada {TALK} moja 500 2000", name="train.tsv"),
                           "train.tsv:2: 500 to 2000 lies beyond the end of <in>/clips/talk.wav, which lasts 8.00 s; "
                           "are the times milliseconds? Say --times ms, or --times s to have what is outside left out"),
    "frames": Case(tsv(f"{HEAD} start_frame", f"ada {TALK} moja 10", name="train.tsv"),
                   "train.tsv:1: column 'start_frame' counts frames; write seconds or milliseconds, or say that it is "
                   "not about the audio with --ignore-columns 'start_frame'"),
}
ONE = {"text": "u moja\n", "utt2spk": "u u\n"}
TWO = {"text": "u-A moja\nu-B mbili\n", "utt2spk": "u-A u\nu-B u\n"}
BOTH = {"u-A": Taken(CALL, channel=0), "u-B": Taken(CALL, channel=1)}
KALDI = {
    "recordings of a channel": Case(
        {**TWO, "wav.scp": f"u-A {CALL}\nu-B {CALL}\n", "reco2file_and_channel": "u-A call A\nu-B call B\n"}, BOTH),
    "segments of a channel": Case(
        {**TWO, "wav.scp": f"c-A {CALL}\nc-B {CALL}\n", "reco2file_and_channel": "c-A call 1\nc-B call 2\n",
         "segments": "u-A c-A 0 1.5\nu-B c-B 2 -1\n"},
        {"u-A": Taken(CALL, 0.0, 1.5, 0), "u-B": Taken(CALL, 2.0, 4.0, 1)}),
    "segments to the end": Case({**ONE, "wav.scp": f"t {TALK}\n", "segments": "u t 3.5 -1\n"},
                                {"u": Taken(TALK, 3.5, 8.0)}),
    "segments that name a channel": Case(
        {**TWO, "wav.scp": f"c {CALL}\n", "segments": "u-A c 0 1.5 0\nu-B c 0 1.5 1\n"},
        {"u-A": Taken(CALL, 0.0, 1.5, 0), "u-B": Taken(CALL, 0.0, 1.5, 1)}),
    "a command that has taken the channel": Case(
        {**TWO, "wav.scp": f"u-A cat {TALK} |\nu-B cat {CLIP} |\n",
         "reco2file_and_channel": "u-A call A\nu-B call B\n"},
        {"u-A": Taken("", channel=0), "u-B": Taken("", channel=1)}, "--allow-pipes"),
    "a channel that the file lacks": Case(
        {**ONE, "wav.scp": f"u {CALL}\n", "reco2file_and_channel": "u call C\n"},
        "set tgt_train: 1 of 1 utterances cannot be used, none is left (no_channel 1); e.g. u: no_channel: "
        "<in>/call.wav: has no channel C, only 2; all are listed in <out>/tgt_train.dropped.tsv. Paths are relative to "
        "<in> (--root). Mend the data"),
    "two channels of one": Case(
        {**TWO, "wav.scp": f"u-A {TALK}\nu-B {TALK}\n", "reco2file_and_channel": "u-A talk A\nu-B talk B\n"},
        "u-B: channel B of <in>/talk.wav, of which u-A takes channel A; but it has one channel"),
    "channels from 0": Case(
        {**ONE, "wav.scp": f"u {CALL}\n", "reco2file_and_channel": "u call 0\n"},
        "reco2file_and_channel: recording u: channel '0' is not one of A, B ... or 1, 2 ..."),
    "two fields": Case({**ONE, "wav.scp": f"u {CALL}\n", "reco2file_and_channel": "u A\n"},
                       "reco2file_and_channel: recording u: has 2 fields; a line is '<recording> <file> <channel>'"),
}


def check(folder: Path, case: Case, main: Callable[[Sequence[str]], None], options: str, clips: bool = False) -> None:
    out = folder.parent / "out"
    for name, content in case.files.items():
        (folder / name).write_text(content)
    words = shlex.split(f"{options} {case.options}")
    argv = [*words, "--out", str(out)]
    audio = folder / "clips" if clips else folder
    if isinstance(case.result, str):
        with pytest.raises(DataError) as error:
            main(argv)
        assert str(error.value).replace(str(out), "<out>").replace(f"{folder}/m.", "m.").replace(
            f"{folder}/train.", "train.").replace(f"{folder}/reco", "reco").replace(str(folder), "<in>") == case.result
        return
    main(argv)
    data = read_datadir(out / "tgt_train")
    lengths = {TALK: 8.0, CALL: 4.0, CLIP: 1.25}
    for utt, part in case.result.items():
        found = data.audio(utt)
        assert (found.start, found.end or lengths.get(part.file), found.channel) == (
            part.start, part.end or lengths.get(part.file), part.channel)
        assert found.path == str(audio / part.file) or not part.file
        assert data.utt2dur[utt] == pytest.approx((found.end or data.utt2dur[utt]) - found.start, abs=1e-3)
    assert data.utts == sorted(case.result)
    assert check_datadir(out / "tgt_train").errors == []


@pytest.mark.parametrize("case", NEMO)
def test_nemo(folder: Path, case: str) -> None:
    check(folder, NEMO[case], prepare_manifest.main, f"--manifest {folder}/m.jsonl --set tgt_train")


@pytest.mark.parametrize("case", TABLES)
def test_tables(folder: Path, case: str) -> None:
    check(folder, TABLES[case], prepare_manifest.main, f"--manifest {folder}/m.tsv --set tgt_train")


@pytest.mark.parametrize("case", COMMON_VOICE)
def test_common_voices_form(folder: Path, case: str) -> None:
    (folder / "clips").mkdir()
    for name in (TALK, CALL, CLIP):
        (folder / name).rename(folder / "clips" / name)
    check(folder, COMMON_VOICE[case], prepare_common_voice.main, f"--corpus {folder} --prefix tgt --splits train", True)


@pytest.mark.parametrize("case", KALDI)
def test_kaldis_and_espnets_form(folder: Path, case: str) -> None:
    check(folder, KALDI[case], prepare_kaldi_dir.main, f"--dir {folder} --root {folder} --set tgt_train")


@pytest.mark.parametrize(("name", "expected"), [
    ("start", Meaning("start")), ("segment_start", Meaning("start")), ("startTimeMs", Meaning("start", "ms")),
    ("offset (sec)", Meaning("start", "s")), ("tmax", Meaning("end")), ("stop_time", Meaning("end")),
    ("duration[ms]", Meaning("duration", "ms")), ("audio_duration", Meaning("duration")),
    ("channel_id", Meaning("channel")), ("channel_selector", Meaning("channel")), ("begin_us", Meaning("start",
                                                                                                   "microseconds")),
    ("char_start", None), ("num_samples", None), ("n_frames", None), ("channels", None), ("segment", None),
    ("sentence", None), ("time", None), ("end_punctuation", None), ("start_end", None)])
def test_meaning_of_names(name: str, expected: Meaning | None) -> None:
    assert meaning(name) == expected


def test_what_is_understood_is_said_and_what_cuts_is_counted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    check(folder, NEMO["duration alone that is shorter"], prepare_manifest.main,
          f"--manifest {folder}/m.jsonl --set tgt_train")
    assert "which part of the audio is meant: 'duration' is the duration" in caplog.text
    assert ("set tgt_train: 1 of 1 utterances end before their file does, by their column of durations"
            in [record.message for record in caplog.records if record.levelno == logging.WARNING])


def test_columns_to_ignore_must_be_there() -> None:
    with pytest.raises(DataError, match="m.tsv:1: no column 'ofset' to ignore; there are: audio offset"):
        PartColumns("m.tsv", ["audio", "offset"], PartOptions(ignore=("ofset",)))


@pytest.fixture
def sides(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The two sides of a call, one of them at another volume, and a clip: what stage 1 makes of them."""
    monkeypatch.chdir(folder.parent)
    samples, _ = soundfile.read(folder / CALL)
    soundfile.write(folder / CALL, samples * [1.0, 0.3], RATE)
    table = tsv("utt speaker audio text channel", f"ada-1 ada {CALL} moja A", f"ben-2 ben {CALL} mbili B",
                f"ben-3 ben {CLIP} tatu A")
    (folder / "m.tsv").write_text(table["m.tsv"])
    prepare_manifest.main(["--manifest", str(folder / "m.tsv"), "--set", "tgt_train", "--out", "data"])
    return folder.parent / "data" / "tgt_train"


def test_the_channel_reaches_the_features(folder: Path, sides: Path) -> None:
    prepare("data", "dump", PrepareOptions("en", "sw", speed_perturb=(0.9, 1.0)), nj=1)
    data = read_datadir("dump/tgt_train")
    assert {utt: data.audio(utt).channel for utt in data} == {
        "ada-1": 0, "ben-2": 1, "ben-3": 0, "sp0.9-ada-1": 0, "sp0.9-ben-2": 1, "sp0.9-ben-3": 0}
    dump_fbank("dump/tgt_train", "fbank", compression="none")
    found = kaldiio.load_scp("fbank/feats.scp")
    stereo, _ = soundfile.read(folder / CALL)
    for channel, utt in enumerate(("ada-1", "ben-2")):
        soundfile.write(f"{utt}.wav", stereo[:, channel], RATE)
    Path("single").mkdir()
    for name, content in {"wav.scp": "ada-1 ada-1.wav\nben-2 ben-2.wav\n", "text": "ada-1 a\nben-2 b\n",
                          "utt2spk": "ada-1 a\nben-2 b\n"}.items():
        Path("single", name).write_text(content)
    dump_fbank("single", "alone", compression="none")
    alone = kaldiio.load_scp("alone/feats.scp")
    for utt in ("ada-1", "ben-2"):
        assert np.allclose(found[utt], alone[utt], atol=1e-4)
    assert not np.allclose(found["ada-1"], found["ben-2"], atol=0.1)


def test_averaged_channels_are_counted(folder: Path) -> None:
    (folder / "m.tsv").write_text(f"audio\ttext\n{CALL}\tmoja\n{CLIP}\tmbili\n")
    prepare_manifest.main(["--manifest", str(folder / "m.tsv"), "--set", "tgt_train", "--out",
                           str(folder.parent / "data")])
    figures = prepare(folder.parent / "data", folder.parent / "dump", PrepareOptions("en", "sw"), nj=1)
    assert figures["tgt_train"]["warnings"] == {"channels": 1}
    summary = json.loads((folder.parent / "dump/tgt_train/audio.json").read_text())
    assert summary["problems"]["channels"] == {"n": 1, "dropped": False, "utterances": {
        "call": "2 channels that differ are averaged; reco2file_and_channel names one"}}


def test_the_tools_keep_the_channel(sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def channels(path: str) -> dict[str, int | None]:
        data = read_datadir(path)
        return {utt: data.audio(utt).channel for utt in data}

    tools.main(["validate", str(sides)])
    assert f"{sides}: valid, 3 utterances" in capsys.readouterr().out
    tools.main(["subset", str(sides), "--utterances", "2", "--out", "small"])
    tools.main(["fix", str(sides), "--out", "fixed"])
    for name, content in {"wav.scp": "z-9 in/talk.wav\n", "text": "z-9 x\n", "utt2spk": "z-9 z\n"}.items():
        Path("plain").mkdir(exist_ok=True)
        Path("plain", name).write_text(content)
    tools.main(["combine", str(sides), "plain", "--out", "both"])
    assert channels("fixed") == {"ada-1": 0, "ben-2": 1, "ben-3": 0}
    assert channels("small").items() <= channels("fixed").items() and len(channels("small")) == 2
    assert channels("both") == {"ada-1": 0, "ben-2": 1, "ben-3": 0, "z-9": None}
    capsys.readouterr()
    tools.main(["validate", "both"])
    assert "warning: both/reco2file_and_channel: names no channel of 1 of wav.scp's 4 recordings, whose channels are " \
           "averaged, the first is z-9" in capsys.readouterr().out


def test_the_tools_find_bad_channels(sides: Path) -> None:
    path = sides / "reco2file_and_channel"
    path.write_text("ada-1 call A\nben-2 call 0\nben-3 clip A\nx-1 x A\n")
    with pytest.raises(DataError, match="not valid"):
        tools.main(["validate", str(sides)])
    assert check_datadir(sides).errors == [f"{path}: recording ben-2: channel '0' is not one of A, B ... or 1, 2 ..."]
    tools.main(["fix", str(sides), "--out", "fixed", "--max-drop", "0.5"])
    assert Path("fixed/dropped.tsv").read_text() == (
        "ben-2\tbad channel: channel '0' is not one of A, B ... or 1, 2 ... (reco2file_and_channel:2): recording "
        "ben-2\n")
    assert Path("fixed/reco2file_and_channel").read_text() == "ada-1 call A\nben-3 clip A\n"
    path.write_text("ada-1 call A\nx-1 x A\n")
    assert check_datadir(sides).errors == [f"{path}: holds 1 recordings that wav.scp lacks, the first is x-1"]


def test_combining_does_not_give_an_unnamed_channel_a_name(folder: Path) -> None:
    for part, channels in (("a", "c call A\n"), ("b", "")):
        directory = folder / part
        directory.mkdir()
        for name, content in {"wav.scp": f"c {CALL}\n", "segments": f"{part}1 c 0 1\n", "text": f"{part}1 moja\n",
                              "utt2spk": f"{part}1 x\n", "reco2file_and_channel": channels}.items():
            if content:
                (directory / name).write_text(content)
    with pytest.raises(DataError, match=f"{folder}/b: recording c has no channel in its reco2file_and_channel, but one "
                                        "in that of another directory; name it in both"):
        tools.main(["combine", str(folder / "a"), str(folder / "b"), "--out", str(folder / "c")])


@pytest.mark.parametrize("form", ["WAV", "FLAC", "MP3", "OGG"])
def test_parts_of_channels_in_every_order(tmp_path: Path, form: str) -> None:
    """A recording whose channels are read in turn gives what a fresh one gives."""
    noise = 0.1 * np.random.default_rng(1).normal(size=(4 * RATE, 2))
    path = tmp_path / "a"
    soundfile.write(path, noise, RATE, format=form)
    reader = Reader()
    for channel, start, end in ((0, 0.0, 1.0), (1, 0.5, 1.0), (0, 1.0, 2.0), (None, 1.5, 2.5), (1, 0.0, 4.0)):
        found = reader.read(Audio(str(path), start, end, channel=channel))
        assert np.array_equal(found, load_audio(path, start=start, end=end, channel=channel))
    reader.close()
    assert np.abs(load_audio(path, channel=0) - load_audio(path, channel=1)).max() > 0.1
