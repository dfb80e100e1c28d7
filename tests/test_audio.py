"""Decoding, resampling, filterbank features."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from stxfer.audio.fbank import cmvn, fbank, features
from stxfer.audio.io import decode, duration, load_audio
from stxfer.audio.recording import Recording
from stxfer.core.errors import DataError
from stxfer.corpora.synthetic import espeak
from stxfer.corpora.synthetic.speakers import speakers

FORMATS = {"wav": {"format": "WAV"}, "wav24": {"format": "WAVEX", "subtype": "PCM_24"}, "flac": {"format": "FLAC"},
           "mp3": {"format": "MP3"}, "vorbis": {"format": "OGG", "subtype": "VORBIS"},
           "opus": {"format": "OGG", "subtype": "OPUS"}}
LOSSY = ("mp3", "vorbis", "opus")


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """Speech at 16 kHz, float32, about 4 s, in room noise."""
    sentence = "The old fisherman mends his nets while the children play."
    spoken = espeak.synthesise(sentence, speakers("en", 1, 1)[0].voice, rate=140) / 32768
    noise = np.random.default_rng(0).normal(scale=1e-3, size=len(spoken))
    return soxr.resample((0.6 * spoken + noise).astype(np.float32), espeak.SAMPLE_RATE, 16000)


def tone(seconds: float, rate: int = 16000, hertz: float = 440.0, seed: int = 0) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(size=len(time))
    return (0.3 * np.sin(2 * np.pi * hertz * time) + 0.01 * noise).astype(np.float32)


def snr(reference: np.ndarray, samples: np.ndarray) -> float:
    n = min(len(reference), len(samples))
    return 10 * np.log10(np.sum(reference[:n] ** 2) / np.sum((reference[:n] - samples[:n]) ** 2))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("name", "rate"), [
    (name, rate) for name in FORMATS for rate in (8000, 16000, 22050, 44100, 48000)
    if name != "opus" or rate in (8000, 16000, 48000)])  # Opus has no others
def test_round_trip(tmp_path: Path, speech: np.ndarray, name: str, rate: int, channels: int) -> None:
    original = soxr.resample(speech, 16000, rate, quality="VHQ")
    sides = [original * (1.3 - 0.6 * k) if channels > 1 else original for k in range(channels)]
    soundfile.write(tmp_path / "a", np.stack(sides, axis=1), rate, **FORMATS[name])
    loaded = load_audio(tmp_path / "a")
    expected = speech if rate >= 16000 else soxr.resample(original, rate, 16000, quality="VHQ")
    assert loaded.dtype == np.float32
    assert abs(len(loaded) - len(expected)) < 0.04 * 16000
    # Lossy coders change the waveform itself; 6 dB is lost at once where a coder's delay is not taken off.
    assert snr(expected, loaded) > (6 if name in LOSSY else 30 if rate == 8000 else 45)
    assert duration(tmp_path / "a") == pytest.approx(len(speech) / 16000, abs=0.04)


@pytest.mark.parametrize("level", [0.0, 0.9])  # at low bit rates libsndfile's own seeks are off
@pytest.mark.parametrize("name", FORMATS)
def test_part_is_that_of_the_whole(tmp_path: Path, speech: np.ndarray, name: str, level: float) -> None:
    rate = 24000
    coding = {} if name.startswith("wav") else {"compression_level": level}
    soundfile.write(tmp_path / "a", np.tile(soxr.resample(speech, 16000, rate), 5), rate, **FORMATS[name], **coding)
    whole, _ = decode(tmp_path / "a")
    parts = [(0.0, 1.0), (0.5, 2.25), (0.6, 0.9), (3.3333, 3.4), (9.87, 11.0), (12.0, None)]
    with Recording(tmp_path / "a") as recording:
        for start, end in (*parts, *reversed(parts)):
            part = recording.read(start, end)
            expected = whole[round(start * rate):None if end is None else round(end * rate)]
            assert part.shape == expected.shape
            # Opus remembers a little, 60 dB under the speech, for longer than is decoded before a part.
            assert np.abs(part - expected).max() < (3e-3 if name == "opus" else 1e-6)
            assert len(load_audio(tmp_path / "a", start=start, end=end)) == pytest.approx(len(part) / 1.5, abs=1)


def test_part_outside_the_recording(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(2.0), 16000)
    with pytest.raises(DataError, match=r"a.wav: the segment starts at 2.00 s, the recording ends at 2.00 s"):
        decode(tmp_path / "a.wav", 2.0, 3.0)
    with pytest.raises(DataError, match=r"a.wav: the segment ends at 2.60 s, the recording ends at 2.00 s"):
        decode(tmp_path / "a.wav", 1.0, 2.6)
    assert len(decode(tmp_path / "a.wav", 1.0, 2.4)[0]) == 16000


def test_long_file_is_decoded_in_blocks(tmp_path: Path) -> None:
    samples = tone(20.0, 48000)
    soundfile.write(tmp_path / "a.flac", np.stack([samples, -samples, samples], axis=1), 48000)
    loaded, _ = decode(tmp_path / "a.flac")
    assert len(loaded) * 3 > 1 << 20
    assert np.abs(loaded - samples / 3).max() < 1e-4


@pytest.mark.parametrize("rate", [16000, 22050, 44100])
@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_speed_changes_tempo_and_pitch(tmp_path: Path, rate: int, speed: float) -> None:
    soundfile.write(tmp_path / "a.wav", tone(1.0, rate), rate)
    fast = load_audio(tmp_path / "a.wav", speed=speed)
    assert len(fast) == pytest.approx(16000 / speed, abs=2)
    assert np.argmax(np.abs(np.fft.rfft(fast))) * 16000 / len(fast) == pytest.approx(440 * speed, abs=2)


def test_fbank_is_torchaudios(speech: np.ndarray) -> None:
    import torch
    from torchaudio.compliance import kaldi

    for n in (400, 401, 559, 560, 561, 256 * 160 + 240, 256 * 160 + 400, len(speech)):
        samples = speech[-n:] + np.float32(0.02)  # an offset must not show
        expected = kaldi.fbank(torch.from_numpy(samples)[None] * 32768, num_mel_bins=80, dither=0.0,
                               sample_frequency=16000.0).clamp(min=0).numpy()
        assert fbank(samples).shape == expected.shape == (1 + (n - 400) // 160, 80)
        assert np.abs(fbank(samples) - expected).max() < 5e-3
        assert np.abs(fbank(samples) - expected).mean() < 1e-4


def test_fbank_follows_frequency_and_scale() -> None:
    low, high = (fbank(tone(0.5, hertz=hertz)).mean(axis=0) for hertz in (300.0, 3000.0))
    assert low.shape == (80,)
    assert low.argmax() < high.argmax()
    assert fbank(tone(0.5)).shape == (1 + (8000 - 400) // 160, 80)
    assert fbank(np.zeros(399, np.float32)).shape == (0, 80)
    assert float(np.abs(fbank(np.zeros(16000, np.float32))).max()) == 0.0  # not log(1e-7)


def test_cmvn_normalises_each_dimension() -> None:
    matrix = cmvn(fbank(tone(1.0)))
    assert np.allclose(matrix.mean(axis=0), 0, atol=1e-3)
    assert np.allclose((matrix**2).mean(axis=0), 1, atol=1e-3)
    assert float(np.abs(cmvn(fbank(np.zeros(16000, np.float32)))).max()) == 0.0


def test_features_too_short(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", tone(0.02), 16000)
    with pytest.raises(DataError, match="short.wav: shorter than one window"):
        features(load_audio(tmp_path / "short.wav"), "short.wav")


def test_workers_do_not_import_torch() -> None:
    code = "import sys, numpy, stxfer.audio.check, stxfer.audio.shards as d; d.features(numpy.ones(900, 'f'), ''); " \
           "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
