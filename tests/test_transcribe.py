"""Audio of any length and format to text: pieces, batches, order, outputs, and what cannot be heard."""

from __future__ import annotations

import io
import itertools
import json
import logging
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import tiny_system
import untrained
from hypothesis import given, settings
from hypothesis import strategies as st
from speech_models import SIZE, save_model, save_whisper
from tiny_system import SENTENCES, joined, speak

from stxfer.audio import pieces as cutting
from stxfer.audio.dump import dump_fbank
from stxfer.audio.io import SAMPLE_RATE, resample
from stxfer.audio.pieces import FRAME, Cutting, pieces
from stxfer.audio.pretrained import open_pretrained
from stxfer.audio.recording import Recording
from stxfer.audio.shards import FBANK, Extractor
from stxfer.audio.stream import read_blocks
from stxfer.audio.waveform import Waveform
from stxfer.bin import transcribe as cli
from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import write_json
from stxfer.core.marker import read_marker, write_marker
from stxfer.core.stage import Stage
from stxfer.decoding.decode import decode_dataset
from stxfer.decoding.whisper import decode_with_whisper
from stxfer.experiment.features import FeatureOptions
from stxfer.experiment.training import Decoding
from stxfer.kaldi.datadir import Audio
from stxfer.kaldi.table import read_table, write_table
from stxfer.text.profiles import profile
from stxfer.transcription.formats import FORMATS, clock
from stxfer.transcription.inputs import Source, find_sources
from stxfer.transcription.recognise import Heard
from stxfer.transcription.system import open_system, variant_with_lm
from stxfer.transcription.transcriber import Event, Segment, Transcriber, Transcript
from stxfer.transcription.words import Word, spell
from stxfer.transcription.write import FailedError, Output, write_events

SYSTEM = "exp/direct/seed1"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_system.make_work(tmp_path_factory.mktemp("transcribe"))


@pytest.fixture(scope="module")
def transcriber(work: Path) -> Transcriber:
    return Transcriber.from_pretrained(work / SYSTEM)


@pytest.fixture(scope="module")
def clips() -> list[np.ndarray]:
    return [speak(sentence) for sentence in SENTENCES]


def blocks(samples: np.ndarray, size: int) -> list[np.ndarray]:
    return [samples[k:k + size] for k in range(0, len(samples), size)]


# Pieces


def test_pieces_begin_and_end_with_the_speech(clips: list[np.ndarray]) -> None:
    samples, edges = joined(clips)
    found = list(pieces(blocks(samples, SAMPLE_RATE), Cutting(20.0, 0.5)))
    assert len(found) == len(edges)
    for piece, (start, end) in zip(found, edges, strict=True):
        assert abs(piece.start - start) < 0.1 and abs(piece.end - end) < 0.1
        assert piece.first <= start - 0.1 and piece.first + len(piece.samples) / SAMPLE_RATE >= end + 0.1
        first = round(piece.first * SAMPLE_RATE)
        assert np.array_equal(piece.samples, samples[first:first + len(piece.samples)])


class Scripted:
    """A detector that takes a frame for speech where its first sample is positive."""

    def is_speech(self, buf: bytes, sample_rate: int) -> bool:
        return bool(np.frombuffer(buf, np.int16)[0] > 0)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 120)), max_size=30), st.integers(1, 9 * FRAME),
       st.integers(200, 3 * SAMPLE_RATE))
@settings(max_examples=40)
def test_no_speech_is_lost_wherever_blocks_end(runs: list[tuple[bool, int]], tail: int, size: int) -> None:
    """But for bursts of less than 0.1 s; pieces keep the limit and are parts of the recording."""
    rng = np.random.default_rng(len(runs) + tail)
    frames = [speech for speech, count in runs for _ in range(count)]
    signs = np.repeat(np.where(frames, 1.0, -1.0), FRAME) if frames else np.zeros(0)
    samples = np.concatenate([signs * rng.uniform(0.1, 0.5, len(signs)), np.full(tail, -0.2)]).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cutting, "_detector", Scripted)
        found = list(pieces(blocks(samples, size), Cutting(3.0, 0.3)))
        again = list(pieces([samples], Cutting(3.0, 0.3)))
    assert [(p.start, p.end, p.first) for p in found] == [(p.start, p.end, p.first) for p in again]
    heard = np.zeros(len(samples), bool)
    for piece in found:
        first = round(piece.first * SAMPLE_RATE)
        assert 0 < len(piece.samples) <= 3 * SAMPLE_RATE and piece.first <= piece.start < piece.end
        assert np.array_equal(piece.samples, samples[first:first + len(piece.samples)])
        heard[first:first + len(piece.samples)] = True
    lost = [k for k, speech in enumerate(frames) if speech and not heard[k * FRAME:(k + 1) * FRAME].all()]
    near = round(0.3 * SAMPLE_RATE / FRAME) - 1  # less than a pause
    for k in lost:
        assert sum(frames[max(0, k - near):k + near + 1]) < cutting._LEAST


def test_a_piece_that_is_full_in_a_pause_ends_with_its_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "_detector", Scripted)
    samples = np.concatenate([np.full(36800, 0.5), np.full(32000, -1e-3), np.full(16000, 0.5)]).astype(np.float32)
    found = list(pieces(blocks(samples, 3200), Cutting(3.0, 1.0)))
    after = cutting._HANGOVER * FRAME / SAMPLE_RATE  # which the detector is taken to have added
    assert [(p.start, round(p.end + after, 2)) for p in found] == [(0.0, 2.3), (4.3, 5.3 + after)]
    assert len(found[0].samples) == 2.5 * SAMPLE_RATE


@given(st.floats(0.0, 12.0), st.floats(2.0, 5.0))
@settings(max_examples=30)
def test_without_a_detector_pieces_tile_the_recording(seconds: float, longest: float) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, round(seconds * SAMPLE_RATE)).astype(np.float32)
    found = list(pieces(blocks(samples, 30000), Cutting(longest, 0.5, detect=False)))
    assert [p.start for p in found[1:]] == [p.end for p in found[:-1]]
    if found:
        assert found[0].start == 0 and found[-1].end == len(samples) / SAMPLE_RATE
    assert all(len(p.samples) <= round(longest * SAMPLE_RATE) + FRAME for p in found)
    assert len(found) == 1 or len(samples) > (longest - 0.1) * SAMPLE_RATE or not len(samples)


def test_silence_is_not_kept() -> None:
    cutter = cutting._Cutter(Cutting(20.0, 0.5))
    for _ in range(60):
        assert not list(cutter.add(np.zeros(5 * SAMPLE_RATE, np.float32)))
        assert len(cutter._held) < SAMPLE_RATE
    assert not list(cutter.finish())


@pytest.mark.parametrize("options", [(1.0, 0.5), (20.0, 0.0), (0.0, 0.5), (math.nan, 0.5), (math.inf, 0.5),
                                     (20.0, math.nan), (20.0, math.inf)])
def test_pieces_of_no_length_are_refused(options: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="a number of at least"):
        Cutting(*options)


@pytest.mark.parametrize("option", [{"longest": 0.0}, {"longest": math.nan}, {"pause": math.inf}, {"at_once": math.nan},
                                    {"at_once": 0.0}, {"nbest": 0}])
def test_numbers_out_of_range_are_refused(transcriber: Transcriber, option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="at least") as refused:
        Transcriber(transcriber.system, **option)
    assert "\n" not in str(refused.value)


def test_whole_inputs_are_as_long_as_those_of_test_sets(transcriber: Transcriber, work: Path) -> None:
    system = replace(transcriber.system, most_seconds=2.0)
    (whole,) = Transcriber(system, whole=True).transcribe(work / "talk.flac").segments
    assert (whole.start, whole.end) == (0.0, soundfile.info(work / "talk.flac").duration)
    assert len(Transcriber(system, whole=True, longest=3.0).transcribe(work / "talk.flac").segments) > 1


@pytest.mark.parametrize("rate, suffix", [(44100, "flac"), (8000, "wav"), (48000, "mp3")])
def test_blocks_are_the_recording(tmp_path: Path, clips: list[np.ndarray], rate: int, suffix: str,
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stxfer.audio.stream.BLOCK", 1.0)
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, resample(joined(clips)[0], SAMPLE_RATE, rate), rate)
    whole = resample(soundfile.read(path, dtype="float32")[0], rate, SAMPLE_RATE)
    streamed = np.concatenate(list(read_blocks(Audio(str(path)))))
    assert len(streamed) == len(whole) and np.abs(streamed - whole).max() < 1e-3


# Words


@given(st.lists(st.sampled_from(["▁", "▁mtoto", "▁ki", "ta", "bu", "<unk>", "a"]), max_size=12))
def test_words_are_what_the_pieces_spell(spelt: list[str]) -> None:
    words = spell(spelt)
    assert " ".join(text for text, _ in words) == \
        " ".join("".join(piece for piece in spelt if piece != "<unk>").replace("▁", " ").split())
    used = [number for _, of in words for number in of]
    assert used == sorted(used) and all(spelt[number] != "<unk>" for number in used)


def test_segments_have_words_with_times_and_confidences(transcriber: Transcriber, work: Path,
                                                        clips: list[np.ndarray]) -> None:
    found = transcriber.transcribe(work / "talk.flac")
    edges = joined(clips)[1]
    assert found.seconds == pytest.approx(edges[-1][1] + 1.0, abs=0.01) and len(found.segments) == len(clips)
    assert found.text == " ".join(filter(None, (segment.text for segment in found.segments)))
    words = [(segment, word) for segment in found.segments for word in segment.words]
    assert len(words) > 4
    for segment, word in words:
        assert 0 < word.confidence <= 1 and word.start is not None and word.end is not None
        assert segment.start - 0.3 <= word.start < word.end <= segment.end + 0.4
    for segment in found.segments:
        starts = [word.start for word in segment.words]
        assert starts == sorted(starts)
        mean = math.exp(np.mean([math.log(word.confidence) for word in segment.words])) if segment.words else 0
        assert segment.confidence == pytest.approx(mean)


def test_gains_of_the_search_add_up(transcriber: Transcriber, clips: list[np.ndarray],
                                    monkeypatch: pytest.MonkeyPatch) -> None:
    from stxfer.decoding import decode
    from stxfer.transcription import recognise

    seen: list[Any] = []

    def watched(*args: Any) -> Any:
        seen.extend(results := decode.search_nbest(*args))
        return results

    monkeypatch.setattr(recognise, "search_nbest", watched)
    heard = transcriber._recognise(clips, 2)
    assert [len(nbest) for nbest in heard] == [2] * len(clips)
    assert all(one.score >= other.score for one, other in heard)
    for nbest in seen:
        for hypothesis in nbest:
            assert len(hypothesis.gains) == len(hypothesis.tokens)
            assert sum(hypothesis.gains) >= hypothesis.score - 1e-3  # the end costs something, too
            if hypothesis.cut:
                assert sum(hypothesis.gains) == pytest.approx(hypothesis.score, abs=1e-3)


# The same as the stages


def test_whole_utterances_have_the_text_of_stage_11(work: Path, tmp_path: Path) -> None:
    system = open_system(work / SYSTEM, variant="lm")
    decode_dataset(system.model.model, system.model.tokens, system.model.tokenizer,
                   work / "dump/fbank/tgt_train/feats.scp", tmp_path, system.decoding, lm=system.lm)
    hears = Transcriber(system, whole=True)
    found = {utt: hears(path) for utt, path in read_table(work / "dump/data/tgt_train/wav.scp").items()}
    assert found == read_table(tmp_path / "text") and any(found.values())
    assert system.decoding.lm == "sw" and variant_with_lm(work / SYSTEM) == "lm"


ATTENTION = {"output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 1}
BERARD = {"encoder": "berard", "encoder_conf": {"hidden_size": 8, "num_layers": 1, "input_layers": [16, 8]},
          "decoder": "berard", "decoder_conf": {"embed_size": 8, "hidden_size": 16, "attention_dim": 8,
                                                "output_size": 8}}
SMALLER = {"encoder": "s2t_blstm", "encoder_conf": {"output_size": 16, "num_layers": 1}}


@pytest.mark.parametrize("kind, model", [
    ("fbank", {"encoder": "conformer", "encoder_conf": ATTENTION}), ("fbank", SMALLER), ("fbank", BERARD),
    ("pretrained", SMALLER), ("waveform", SMALLER)])
def test_every_family_hears_what_stage_11_hears(work: Path, tmp_path: Path, transcriber: Transcriber, kind: str,
                                                model: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    extractor: Extractor = FBANK
    if kind == "pretrained":
        encoder = save_model("wav2vec2", tmp_path / "encoder")
        model = {**model, "input_size": SIZE}
        extractor = open_pretrained(FeatureOptions(kind="pretrained", model=str(encoder), layer=2))
    if kind == "waveform":
        encoder = save_model("whisper", tmp_path / "encoder")
        model = {**model, "input_size": None, "frontend": "pretrained",
                 "frontend_conf": {"model": str(encoder), "tune": "all"}}
        extractor = Waveform()
    monkeypatch.setattr(untrained, "MODEL", {**untrained.MODEL, **model})
    for part in ("data", "vocab"):
        shutil.copytree(work / "dump" / part, tmp_path / "dump" / part)
    features = tmp_path / "dump/fbank/tgt_train"
    dump_fbank(tmp_path / "dump/data/tgt_train", features, extractor=extractor)
    untrained.make_model(tmp_path / SYSTEM, tmp_path / "dump/vocab/target", transcriber.system.model.tokens)
    tiny_system.mark_system(tmp_path / SYSTEM)
    tiny_system.mark_decoded(tmp_path / SYSTEM, "", Decoding(beam_size=2, ctc_weight=0.4, maxlenratio=0.2))
    hears = Transcriber.from_pretrained(tmp_path / SYSTEM, whole=True)
    loaded = hears.system.model
    decode_dataset(loaded.model, loaded.tokens, loaded.tokenizer, features / "feats.scp", tmp_path / "out",
                   hears.system.decoding)
    found = {utt: hears(path) for utt, path in read_table(tmp_path / "dump/data/tgt_train/wav.scp").items()}
    assert found == read_table(tmp_path / "out/text") and any(found.values())


def test_batches_change_nothing_and_results_come_in_order(work: Path, transcriber: Transcriber,
                                                          clips: list[np.ndarray]) -> None:
    sources = [Source("talk", "talk", Audio(str(work / "talk.flac"))), Source("absent", "absent", Audio("absent.wav")),
               Source("clip", "clip", clips[0]), Source("again", "again", Audio(str(work / "talk.flac")))]
    alone = Transcriber(transcriber.system, at_once=0.1)

    def told(hears: Transcriber) -> list[tuple[Any, ...]]:
        return [(event.source.name, event.problem, event.segment and (
            event.segment.text, event.segment.start, [(word.text, word.start, round(word.confidence, 6))
                                                      for word in event.segment.words]))
                for event in hears.stream(sources)]

    events = told(transcriber)
    assert events == told(alone)
    assert [name for name, _, segment in events if segment is None] == ["talk", "absent", "clip", "again"]
    assert [problem for _, problem, segment in events if segment is None] == ["", "no such audio file", "", ""]

    def one_then_too_early() -> Iterator[Source]:
        yield sources[0]
        pytest.fail("the second source is read before the first has told what it can")

    first = next(alone.stream(one_then_too_early()))
    assert first.segment is not None and first.segment.text == events[0][2][0]


def test_samples_of_any_rate_and_channels(transcriber: Transcriber, clips: list[np.ndarray]) -> None:
    clip = clips[1].astype(np.float64)
    assert transcriber(np.stack([clip, clip], axis=1)) == transcriber(clips[1]) != ""
    silent = transcriber.transcribe(np.zeros(8000, np.float32), rate=8000)
    assert (silent.text, silent.seconds, silent.segments) == ("", 1.0, ())
    for wrong in (np.zeros(100, np.int16), np.full(100, np.nan), np.zeros((2, 2, 2))):
        with pytest.raises(DataError, match="finite floating-point numbers"):
            transcriber(wrong)
    with pytest.raises(DataError, match=r"absent\.wav: no such audio file"):
        transcriber("absent.wav")


# The command


def run(work: Path, capsys: pytest.CaptureFixture[str], *arguments: str, model: str = SYSTEM) -> tuple[str, str]:
    cli.main([str(work / model), *arguments])
    return capsys.readouterr()


def test_mixed_formats_and_broken_files(work: Path, tmp_path: Path, clips: list[np.ndarray],
                                        capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for k, suffix in enumerate(["wav", "flac", "mp3", "ogg", "aiff"]):
        rate = (8000, 16000, 44100)[k % 3]
        samples = resample(clips[k % 4], SAMPLE_RATE, rate)
        soundfile.write(folder / ("deep" if k == 2 else "") / f"clip {k}.{suffix}",
                        np.stack([samples, samples], 1) if k % 2 else samples, rate)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.mp3").write_text("no audio")
    (folder / "short.wav").write_bytes((folder / "clip 0.wav").read_bytes()[:9000])
    (folder / "notes.txt").write_text("not looked at")
    (tmp_path / "list").write_text(f"{folder}\n{tmp_path / 'absent.ogg'}\n", encoding="utf-8")
    with pytest.raises(FailedError, match="4 of 9 files could not be transcribed"):
        run(work, capsys, f"@{tmp_path / 'list'}", "--format", "json tsv srt", "--out", str(tmp_path / "out"))
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert [line.split(": ", 2)[1].rpartition("/")[2] for line in errors] == \
        ["empty.wav", "short.wav", "text.mp3", "absent.ogg"]
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted(f"{name}.{suffix}" for suffix in ("json", "srt", "tsv")
                           for name in ("clip-0", "clip-1", "deep-clip-2", "clip-3", "clip-4"))
    found = json.loads((tmp_path / "out/deep-clip-2.json").read_text(encoding="utf-8"))
    assert found["text"] and found["segments"][0]["words"][0].keys() == {"text", "start", "end", "confidence"}


def test_kaldi_tables_and_text_lines(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    write_table(tmp_path / "data/wav.scp", {"talk": str(work / "talk.flac")})
    write_table(tmp_path / "data/segments", {"b": "talk 0.0 3.0", "a": "talk 2.5 -1"})
    out, _ = run(work, capsys, str(tmp_path / "data"), str(work / "audio/utt-0.wav"), "--format", "kaldi")
    assert [line.split()[0] for line in out.splitlines()] == ["a", "b", "utt-0"]
    write_table(tmp_path / "some.scp", {"one": str(work / "audio/utt-0.wav"), "two": "sox x.wav -t wav - |"})
    with pytest.raises(FailedError, match="1 of 2"):
        run(work, capsys, str(tmp_path / "some.scp"))
    out, err = capsys.readouterr()
    assert out.splitlines()[0] and out.splitlines()[1:] == [""] and "error: two: a command" in err


def test_segments_open_their_recording_once(transcriber: Transcriber, work: Path, tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Recording] = []

    class Counted(Recording):
        def __init__(self, path: str) -> None:
            super().__init__(path)
            opened.append(self)

    monkeypatch.setattr("stxfer.audio.shards.Recording", Counted)
    soundfile.write(tmp_path / "talk.mp3", *soundfile.read(work / "talk.flac"))
    parts = [Audio(str(tmp_path / "talk.mp3"), k, k + 2.0) for k in (0.0, 2.0, 4.0)]
    sources = [Source(str(part.start), str(part.start), part) for part in parts]
    events = transcriber.stream(sources)
    assert [event.seconds for event in events if event.segment is None] == [2.0] * 3
    assert len(opened) == 1 and opened[0].handle.closed


def test_keys_of_a_table_name_files_in_the_folder(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
                                                  ) -> None:
    keys = ["../up", "/tmp/x", "..", "a/b", "a%2Fb"]
    (tmp_path / "some.scp").write_text("".join(f"{key} {work / 'audio/utt-0.wav'}\n" for key in keys))
    run(work, capsys, str(tmp_path / "some.scp"), "--format", "json", "--out", str(tmp_path / "out"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == \
        {"...json", "..%2Fup.json", "%2Ftmp%2Fx.json", "a%252Fb.json", "a%2Fb.json"}
    found = {json.loads(path.read_text(encoding="utf-8"))["id"] for path in (tmp_path / "out").iterdir()}
    assert found == {*keys}


def test_standard_input(work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    audio = (work / "audio/utt-0.wav").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(audio)))
    out, _ = run(work, capsys, "-", "--format", "tsv", "--nbest", "2")
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows[0] == ["file", "start", "end", "rank", "confidence", "text"]
    assert [row[:1] + row[3:4] for row in rows[1:]] == [["standard input", "1"], ["standard input", "2"]]
    with pytest.raises(DataError, match="read once"):
        find_sources(["-", "@-"], work)


@pytest.mark.parametrize("arguments, message", [
    (["--format", "docx"], "it is one of text tsv"), (["--format", "srt json"], "several need --out"),
    (["--format", "kaldi", "--out", "x"], "one table"), (["--nbest", "3"], "several hypotheses"),
    (["--lm", "--variant", "lm"], "give one of them")])
def test_options_that_do_not_go_together(arguments: list[str], message: str,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["model", "a.wav", *arguments])
    assert message in capsys.readouterr().err


def test_subtitles_of_several_files_need_a_folder(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="2 files needs a file for each"):
        run(work, capsys, "a.wav", "b.wav", "--format", "srt")


# What cannot be heard with


def test_what_hears_no_speech_is_refused(work: Path, tmp_path: Path) -> None:
    def refused(directory: Path, message: str, **options: Any) -> None:
        with pytest.raises((ConfigError, DataError), match=message):
            open_system(directory, **options)

    refused(work / "exp/absent/seed1", "no such directory")
    refused(work / "exp/lm/sw", "its task is 'lm', which hears no speech")
    refused(work / "dump/vocab/target", "not a trained system")
    refused(work / SYSTEM, "no test set was decoded with variant 'big'; those that were: lm", variant="big")
    moved = tmp_path / "exp/direct/seed1"
    shutil.copytree(work / SYSTEM, moved)
    stock = shutil.copytree(work / SYSTEM, tmp_path / "exp/stock/seed1")
    marker = read_marker(stock)
    write_marker(stock, {**marker, "options": {**marker["options"], "espnet": {"encoder": "conformer"}}})
    refused(stock, "a system of stock ESPnet; its own asr_inference hears with .*stock/seed1/espnet$")
    refused(moved, "what the system hears is recorded with its features")
    features = tmp_path / "dump/fbank/tgt_train"
    features.mkdir(parents=True)
    for options, message in (
            ({"kind": "pretrained", "family": "whisper", "layer": 4, "stride": 2, "model_sha256": "x"}, "--encoder"),
            ({"num_mel": 40}, "features that this version does not make")):
        Stage("features", features, options=options).finish([])
        refused(moved, message)
    Stage("features", features, options={"kind": "pretrained", "family": "whisper", "layer": 4, "stride": 2,
                                         "model_sha256": "x"}).finish([])
    refused(moved, "not the encoder of", encoder=save_whisper(tmp_path / "whisper"))


def test_a_translation_has_no_times_of_words(work: Path, tmp_path: Path, clips: list[np.ndarray]) -> None:
    shutil.copytree(work / SYSTEM, tmp_path / "exp/st_mt/seed1")
    shutil.copytree(work / "dump", tmp_path / "dump")
    tiny_system.mark_system(tmp_path / "exp/st_mt/seed1", task="st", text="sw.mt")
    write_json(tmp_path / "exp/st_mt/seed1/model.json", {"task": "st"})
    tiny_system.mark_system(tmp_path / "exp/st_mt/seed1", task="st", text="sw.mt")
    found = Transcriber.from_pretrained(tmp_path / "exp/st_mt/seed1").transcribe(clips[0])
    assert found.text and {(word.start, word.end) for segment in found.segments for word in segment.words} == \
        {(None, None)}


def test_whisper_is_normalised_and_keeps_its_window(tmp_path: Path, clips: list[np.ndarray],
                                                    work: Path) -> None:
    model, system = save_whisper(tmp_path / "whisper"), tmp_path / "exp/whisper/seed1"
    system.mkdir(parents=True)
    write_json(system / "model.json", {"task": "asr", "whisper": str(model)})
    Stage("training of whisper seed 1", system, options={
        "whisper": {"model": str(model), "tune": "nothing", "batch": 2}, "language": "sw", "seed": 1}).finish(
            [system / "model.json"])
    hears = Transcriber.from_pretrained(system, whole=True)
    data = work / "dump/data/tgt_train"
    decode_with_whisper(hears.system.model, data, tmp_path / "out", Decoding(), profile("sw"), 2)
    long = {utt for utt, seconds in read_table(data / "utt2dur").items() if float(seconds) > hears.system.most_seconds}
    texts = read_table(tmp_path / "out/text")
    found = {utt: hears.transcribe(path) for utt, path in read_table(data / "wav.scp").items()}
    assert {utt: one.text for utt, one in found.items() if utt not in long} == \
        {utt: text for utt, text in texts.items() if utt not in long} and len(long) < len(texts)
    assert all(0 < segment.confidence <= 1 for one in found.values() for segment in one.segments if segment.text)
    with pytest.raises(ConfigError, match="Whisper hears 2 s at once"):
        Transcriber(hears.system, longest=10.0)
    with pytest.raises(ConfigError, match="gives one"):
        Transcriber(hears.system, nbest=2)


# Outputs


@pytest.mark.parametrize("terminal", [False, True])
def test_results_errors_and_progress_do_not_part_each_others_lines(terminal: bool, monkeypatch: pytest.MonkeyPatch,
                                                                   caplog: pytest.LogCaptureFixture) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    minutes = itertools.count(0, 60)
    monkeypatch.setattr("stxfer.core.progress.time", SimpleNamespace(monotonic=lambda: next(minutes)))
    source, stream = Source("a.wav", "a", Audio("a.wav")), Stream()
    events = [Event(source, Segment(0.0, 1.0, (Heard((Word("neno", 0.5),), -1.0, 0.5),)), 1.0),
              Event(source, None, 1.0, "breaks off")]
    told: list[tuple[str, str]] = []
    with caplog.at_level(logging.INFO), pytest.raises(FailedError):
        write_events(events, 1, Output([FORMATS["text"]()], None, stream),
                     lambda line: told.append((line, stream.getvalue())))
    assert told == [("a.wav: breaks off", "neno\n")]
    assert ("transcribe: 0/1 files" in caplog.text) is not terminal


def test_formats_hold_what_was_heard() -> None:
    words = tuple(Word(f"neno{k}", 0.5, 61.0 + k, 61.5 + k) for k in range(12))
    segments = (Segment(60.9, 73.0, (Heard(words, -3.0, 0.5), Heard((Word("a", 0.1),), -4.0, 0.1, True))),
                Segment(80.0, 81.0, ()), Segment(90.0, 91.5, (Heard((Word("<b>", 0.25),), -1.0, 0.25),)))
    transcript = Transcript(Source("a\tb.wav", "a-b", Audio("")), 100.0, segments)

    def written(name: str) -> str:
        form = FORMATS[name]()
        spoken = [segment for segment in segments if segment.text]
        return form.head() + "".join(form.segment(transcript.source, segment, k) for k, segment in enumerate(spoken)) \
            + form.end(transcript)

    assert written("text") == f"{transcript.text}\n" and transcript.text.endswith("neno11 <b>")
    assert written("kaldi") == f"a-b {transcript.text}\n"
    rows = written("tsv").splitlines()
    assert rows[2] == '"a\tb.wav"\t60.90\t73.00\t2\t0.100\ta' and len(rows) == 4
    found = json.loads(written("json"))
    assert found["segments"][0]["words"][1] == {"text": "neno1", "start": 62.0, "end": 62.5, "confidence": 0.5}
    assert found["segments"][0]["nbest"][1] == {"text": "a", "score": -4.0, "confidence": 0.1, "cut": True}
    cues = written("srt").strip().split("\n\n")
    assert cues[0] == "1\n00:01:00,900 --> 00:01:07,500\nneno0 neno1 neno2 neno3 neno4 neno5 neno6"
    assert cues[1].startswith("2\n00:01:08,000 --> 00:01:13,000") and cues[2] == "3\n00:01:30,000 --> 00:01:31,500\n<b>"
    assert written("vtt").startswith("WEBVTT\n\n00:01:00.900 --> ") and "&lt;b&gt;" in written("vtt")
    assert clock(3725.9996, ",") == "01:02:06,000"

