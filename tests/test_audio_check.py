"""Every kind of audio that cannot be used, or should not, and what is said about it."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stxfer.audio.check import FATAL, WARNINGS, Limits, inspect, inspect_all
from stxfer.audio.io import decode
from stxfer.audio.recording import AudioError
from stxfer.bin import check_audio
from stxfer.core.errors import ConfigError, DataError
from stxfer.core.pool import worker_pool
from stxfer.kaldi.datadir import Audio, DataDir, Segment, write_datadir

RATE = 16000
OPUS = {"format": "OGG", "subtype": "OPUS"}


def speech(seconds: float = 3.0, rate: int = RATE) -> np.ndarray:
    """Noise that comes and goes, as loud as speech."""
    time = np.arange(round(seconds * rate)) / rate
    return (0.1 * np.sin(3 * time) * np.random.default_rng(0).normal(size=len(time))).clip(-0.9, 0.9)


def written(path: Path, samples: np.ndarray, rate: int = RATE, **options: str) -> bytes:
    """Write samples and return the file's bytes."""
    soundfile.write(path, samples, rate, **options)
    return path.read_bytes()


def cut(share: float, **options: str) -> Callable[[Path], None]:
    """Return what writes the first share of a file's bytes."""
    def make(path: Path) -> None:
        data = written(path, speech(), **options)
        path.write_bytes(data[:int(share * len(data))])
    return make


def header(position: int, value: int, **options: str) -> Callable[[Path], None]:
    """Return what writes a WAV file with another number at a place of its header."""
    def make(path: Path) -> None:
        data = written(path, speech(), **options)
        path.write_bytes(data[:position] + struct.pack("<I", value) + data[position + 4:])
    return make


def three_hours(path: Path) -> None:
    """Write a WAV of three hours, most of it a hole in the file that takes no room on the disk."""
    written(path, np.zeros(1))
    size = 3 * 3600 * RATE * 2
    with open(path, "r+b") as handle:
        handle.truncate(44 + size)
        handle.seek(4)
        handle.write(struct.pack("<I", 36 + size))
        handle.seek(40)
        handle.write(struct.pack("<I", size))


def mp3_without_header(*parts: np.ndarray) -> Callable[[Path], None]:
    """Return what writes an MP3 of variable bit rate without its first frame, which says how many there are."""
    def make(path: Path) -> None:
        with soundfile.SoundFile(path, "w", RATE, 1, format="MP3", bitrate_mode="VARIABLE",
                                 compression_level=0.3) as file:
            file.write(np.concatenate(parts))
        data = path.read_bytes()
        path.write_bytes(data[data.index(b"\xff\xf3", 4):])
    return make


def unended_opus(path: Path) -> None:
    """Write Opus without the last page."""
    data = written(path, speech(), **OPUS)
    path.write_bytes(data[:data.rindex(b"OggS")])


BAD = {
    "missing": (lambda path: None, "missing", "no such audio file"),
    "directory": (lambda path: path.mkdir(), "missing", "is a directory, not an audio file"),
    "zero_bytes": (lambda path: path.touch(), "empty", "the audio file is empty (0 bytes)"),
    "no_samples": (lambda path: written(path, np.zeros(0)), "empty", "holds no samples"),
    "text": (lambda path: path.write_text("not audio at all\n" * 99), "undecodable",
             "cannot be decoded as WAV, FLAC, MP3 or Ogg (Format not recognised)"),
    "cut_wav": (cut(0.5), "truncated", "truncated: its header promises 3.00 s, the file holds 1.50 s"),
    "cut_wavex": (cut(0.5, format="WAVEX", subtype="PCM_24"), "truncated",
                  "truncated: its header promises 3.00 s, the file holds 1.50 s"),
    "cut_rf64": (cut(0.5, format="RF64"), "truncated", "truncated: its header promises 3.00 s, the file holds 1.50 s"),
    "cut_flac": (cut(0.5, format="FLAC"), "truncated", "cut short or damaged: cannot be decoded to its end"),
    "cut_mp3": (cut(0.5, format="MP3"), "truncated", "truncated: 1.37 of 3.00 s can be decoded"),
    "cut_ogg": (cut(0.5, format="OGG", subtype="VORBIS"), "truncated", "truncated: it ends within a page"),
    "cut_opus": (cut(0.5, **OPUS), "truncated", "truncated: it ends within a page"),
    "mp3_without_header": (mp3_without_header(speech(1.0), np.zeros(9 * RATE)), "undecodable",
                           "an MP3 of variable bit rate whose length no header says; write one with "
                           "`ffmpeg -i old.mp3 -c copy new.mp3`"),
    "nan": (lambda path: written(path, np.where(np.arange(RATE) == 99, np.nan, 0.1), subtype="FLOAT"), "not_finite",
            "holds samples that are not finite numbers (NaN or infinity)"),
    "infinite": (lambda path: written(path, np.where(np.arange(RATE) == 99, np.inf, 0.1), subtype="FLOAT"),
                 "not_finite", "holds samples that are not finite numbers (NaN or infinity)"),
    "digital_silence": (lambda path: written(path, np.zeros(RATE)), "silent", "silent, its peak is 0"),
    "constant": (lambda path: written(path, np.full(RATE, 0.25)), "silent", "silent, its peak is 0"),
    "nearly_silent": (lambda path: written(path, 1e-3 * speech()), "silent",
                      "silent, its peak is -69 dB of full scale"),
    "short": (lambda path: written(path, speech(0.05)), "too_short", "0.050 s, shorter than 0.1 s"),
    "long": (lambda path: written(path, speech(31.0)), "too_long", "31.00 s, longer than 30 s"),
    "three_hours": (three_hours, "too_long", "10800.00 s, longer than 30 s"),
    "four_kilohertz": (lambda path: written(path, speech(), 4000), "low_rate", "sampled at 4000 Hz, less than 8000 Hz"),
    "clipped": (lambda path: written(path, (20 * speech()).clip(-1, 1)), "clipped",
                "clipped, 40.8 % of its samples are at full scale"),
    "quiet": (lambda path: written(path, 0.02 * speech()), "quiet", "very quiet, its peak is -43 dB of full scale"),
    "offset": (lambda path: written(path, speech() / 2 + 0.2), "offset", "its mean is +0.200 of full scale, not 0"),
    "two_channels": (lambda path: written(path, np.stack([speech(), np.roll(speech(), 99)], axis=1)), "channels",
                     "2 channels that differ are averaged; reco2file_and_channel names one"),
    "one_side_silent": (lambda path: written(path, np.stack([speech(), 0 * speech()], axis=1)), "channels",
                        "2 channels that differ are averaged; reco2file_and_channel names one"),
    "five_channels": (lambda path: written(path, np.stack([speech()] * 4 + [-speech()], axis=1)), "channels",
                      "5 channels that differ are averaged; reco2file_and_channel names one"),
    "unended_opus": (unended_opus, "unterminated", "an Ogg stream without its last page; its end may be missing"),
}
GOOD = {
    "wav": (lambda path: written(path, speech()), 3.0),
    "mp3_in_disguise": (lambda path: written(path, speech(), format="MP3"), 3.0),
    "flac": (lambda path: written(path, speech(), format="FLAC"), 3.0),
    "eight_equal_channels": (lambda path: written(path, np.stack([speech()] * 8, axis=1)), 3.0),
    "two_equal_channels_of_mp3": (lambda path: written(path, np.stack([speech()] * 2, axis=1), format="MP3"), 3.0),
    "two_nearly_equal_channels_of_vorbis": (lambda path: written(path, np.stack([speech(), 0.95 * speech()], axis=1),
                                                                 format="OGG", subtype="VORBIS"), 3.0),
    "telephone": (lambda path: written(path, speech(3.0, 8000), 8000), 3.0),
    "streamed_wav": (header(40, 0xFFFFFFFF), 3.0),
    "piped_by_sox": (header(40, 0x7FFFFFFF - 36), 3.0),
    "never_finished_wav": (header(40, 0), 3.0),
    "rf64": (lambda path: written(path, speech(), format="RF64"), 3.0),
    "wavex": (lambda path: written(path, speech(), format="WAVEX", subtype="PCM_24"), 3.0),
    "odd_bytes": (lambda path: written(path, speech()[:-1], subtype="PCM_U8"), 3.0),
    "trailing_chunk": (lambda path: path.write_bytes(written(path, speech()) + b"note" + bytes(40)), 3.0),
    "mp3_without_header": (mp3_without_header(np.zeros(RATE), speech(6.0)), 7.092),  # with padding
    "tagged_mp3": (lambda path: path.write_bytes(b"ID3\x03\0\0\0\0\x10\0" + bytes(2048)
                                                 + written(path, speech(), format="MP3") + b"TAG" + bytes(125)), 3.0),
}


@pytest.mark.parametrize("name", BAD)
def test_says_what_is_wrong(tmp_path: Path, name: str) -> None:
    make, kind, message = BAD[name]
    path = tmp_path / f"{name}.wav"  # whatever it is: only the content counts
    make(path)
    report = inspect(Audio(str(path)))
    assert [(problem.kind, problem.message) for problem in report.problems] == [(kind, message)]
    assert (report.fatal is not None) == (kind in FATAL) == (kind not in WARNINGS)
    assert bool(report.warnings) == (kind in WARNINGS)


@pytest.mark.parametrize("name", GOOD)
def test_finds_nothing_wrong(tmp_path: Path, name: str) -> None:
    make, seconds = GOOD[name]
    make(tmp_path / f"{name}.wav")
    report = inspect(Audio(str(tmp_path / f"{name}.wav")))
    assert report.problems == ()
    assert report.seconds == pytest.approx(seconds, abs=1e-3)
    assert np.abs(decode(tmp_path / f"{name}.wav")[0]).max() > 0.1


def test_unknown_content_is_not_taken_for_raw_samples(tmp_path: Path) -> None:
    (tmp_path / "letters.vox").write_text("not audio at all\n" * 99)
    with pytest.raises(AudioError, match="letters.vox: cannot be decoded as WAV, FLAC, MP3 or Ogg"):
        decode(tmp_path / "letters.vox")


def test_three_hours_are_not_decoded_at_once(tmp_path: Path) -> None:
    three_hours(tmp_path / "long.wav")
    with pytest.raises(DataError, match=r"long.wav: 10800 s, more than the 600 s that are decoded at once; cut it"):
        decode(tmp_path / "long.wav")
    assert len(decode(tmp_path / "long.wav", 9000.0, 9001.5)[0]) == 1.5 * RATE


def test_several_problems_at_once(tmp_path: Path) -> None:
    written(tmp_path / "a.wav", np.stack([0.03 * speech() + 0.6, 0 * speech(), 0 * speech()], axis=1))
    report = inspect(Audio(str(tmp_path / "a.wav")))
    assert [problem.kind for problem in report.problems] == ["quiet", "offset", "channels"]
    assert (report.rate, report.channels, report.fatal) == (RATE, 3, None)


def test_limits_are_the_users(tmp_path: Path) -> None:
    written(tmp_path / "a.wav", speech(), 4000)
    audio = Audio(str(tmp_path / "a.wav"))
    assert inspect(audio, Limits(min_rate=4000)).problems == ()
    assert inspect(audio, Limits(max_seconds=5.0, min_rate=0)).fatal.message == "12.00 s, longer than 5 s"
    assert inspect(audio, Limits(min_seconds=13.0, min_rate=0)).fatal.kind == "too_short"
    with pytest.raises(ConfigError, match="audio from 3 to 2 s: the first must be the smaller"):
        Limits(min_seconds=3.0, max_seconds=2.0)
    with pytest.raises(ConfigError, match="max_clipped 2 a share"):
        Limits(max_clipped=2.0)


@pytest.fixture
def talk(tmp_path: Path) -> DataDir:
    """Segments of a recording of 3 s that was cut after 2 s, and of one that is whole."""
    for name in ("whole", "cut"):
        written(tmp_path / f"{name}.wav", speech())
    with open(tmp_path / "cut.wav", "r+b") as handle:
        handle.truncate(44 + 2 * RATE * 2)
    spans = {"s-a": ("whole", 0.0, 1.0), "s-b": ("whole", 2.0, 3.2), "s-c": ("whole", 2.0, 4.0),
             "s-d": ("whole", 5.0, 6.0), "s-e": ("cut", 0.5, 1.9), "s-f": ("cut", 1.0, 2.5)}
    data = DataDir(tmp_path / "talk", {name: str(tmp_path / f"{name}.wav") for name in ("whole", "cut")},
                   dict.fromkeys(spans, "words"), dict.fromkeys(spans, "s"),
                   segments={utt: Segment(*span) for utt, span in spans.items()})
    write_datadir(data.path, data)
    return data


def test_segments(talk: DataDir) -> None:
    reports = dict(inspect_all(talk))
    assert {utt: report.fatal and (report.fatal.kind, report.fatal.message) for utt, report in reports.items()} == {
        "s-a": None, "s-b": None,  # half a second beyond the end is a rounding of whoever wrote the times
        "s-c": ("outside", "the segment ends at 4.00 s, the recording ends at 3.00 s"),
        "s-d": ("outside", "the segment starts at 5.00 s, the recording ends at 3.00 s"),
        "s-e": None,
        "s-f": ("truncated", "truncated: its header promises 3.00 s, the file holds 2.00 s")}
    assert reports["s-b"].seconds == pytest.approx(1.0)
    with worker_pool(2) as pool:
        assert dict(inspect_all(talk, pool=pool)) == reports


def test_command(talk: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    check_audio.main(["--data", str(talk.path), "--nj", "1"])
    out = talk.path / "audio_check.tsv"
    assert capsys.readouterr().out == (
        f"{talk.path}: 3 of 6 utterances usable, 0.00 h; outside 2, truncated 1 ({out})\n")
    assert out.read_text().splitlines() == [
        "s-c\toutside\tthe segment ends at 4.00 s, the recording ends at 3.00 s",
        "s-d\toutside\tthe segment starts at 5.00 s, the recording ends at 3.00 s",
        "s-f\ttruncated\ttruncated: its header promises 3.00 s, the file holds 2.00 s"]
    assert json.loads(out.with_suffix(".json").read_text()) == {
        "data": str(talk.path), "utterances": 6, "usable": 3, "hours_usable": 0.0009,
        "problems": {"outside": 2, "truncated": 1}}
