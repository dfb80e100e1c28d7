"""Data directories of other Kaldi and ESPnet recipes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stxfer.bin import prepare_kaldi_dir as cli
from stxfer.core.errors import DataError, StxferError
from stxfer.core.fileio import locked
from stxfer.core.workdir import ROOT
from stxfer.corpora.kaldi_dir import prepare_kaldi_dir
from stxfer.kaldi.datadir import Audio, read_datadir


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Another recipe's folder: audio/{a,b}.flac of 0.5 s, audio/talk.wav of 4 s, and data/train without segments."""
    root = tmp_path / "asr1"
    (root / "audio").mkdir(parents=True)
    noise = np.random.default_rng(0).normal(size=64000) * 0.1
    for name in "ab":
        soundfile.write(root / "audio" / f"{name}.flac", noise[:8000], 16000)
    soundfile.write(root / "audio" / "talk.wav", noise, 16000)
    tables(root / "data" / "train", wav_scp="s-a audio/a.flac\ns-b audio/b.flac\n", text="s-a Moja\ns-b Mbili\n",
           utt2spk="s-a s\ns-b s\n")
    return root


def tables(directory: Path, **contents: str | bytes | None) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        path = directory / name.replace("wav_scp", "wav.scp").replace("__", ".")
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return directory


def enter(recipe: Path, name: str = "train", **options: object) -> Path:
    """Take a set of the recipe over and return where it lies."""
    prepare_kaldi_dir(recipe / "data" / name, recipe.parent / "ours", "tgt_train", root=recipe,
                      **options)  # type: ignore[arg-type]
    return recipe.parent / "ours" / "tgt_train"


def test_paths_are_relative_to_the_recipe(recipe: Path, monkeypatch: pytest.MonkeyPatch,
                                          capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(recipe)
    cli.main(["--dir", "data/train", "--set", "tgt_train", "--out", "../ours"])
    assert capsys.readouterr().out == "../ours/tgt_train: 2 utterances, 0.00 h\n"
    data = read_datadir(recipe.parent / "ours" / "tgt_train")
    assert data.text == {"s-a": "Moja", "s-b": "Mbili"}
    assert data.utt2spk == {"s-a": "s", "s-b": "s"}
    assert data.wav_scp["s-a"] == str(recipe / "audio" / "a.flac")
    assert data.utt2dur["s-a"] == pytest.approx(0.5)


def test_paths_are_relative_to_the_work_directory_that_the_set_lies_in(recipe: Path,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    (recipe / ROOT).touch()
    monkeypatch.chdir(recipe.parent)
    cli.main(["--dir", "asr1/data/train", "--set", "tgt_train", "--out", "ours"])
    assert read_datadir(recipe.parent / "ours" / "tgt_train").wav_scp["s-a"] == str(recipe / "audio" / "a.flac")


def test_segments_and_translations(recipe: Path) -> None:
    tables(recipe / "data" / "train", wav_scp="T audio/talk.wav\nunused audio/b.flac\n",
           segments="s-a T 0.5 1\ns-b T 1 2.25\n", text__fr__human="s-a Un\ns-b Deux\n")
    data = read_datadir(enter(recipe))
    assert data.audio("s-b") == Audio(str(recipe / "audio" / "talk.wav"), 1.0, 2.25)
    assert data.texts == {"text.fr.human": {"s-a": "Un", "s-b": "Deux"}}
    assert len(data.wav_scp) == 1


def test_names_of_espnets_st_recipes(recipe: Path) -> None:
    tables(recipe / "data" / "train", text__tc__fr="s-a Un\ns-b Deux\n", text__lc__rm__en="s-a one\ns-b two\n")
    assert read_datadir(enter(recipe)).texts == {}
    data = read_datadir(enter(recipe, texts={"text": "text.lc.rm.en", "text.fr.human": "text.tc.fr"}))
    assert (data.text, data.texts) == ({"s-a": "one", "s-b": "two"}, {"text.fr.human": {"s-a": "Un", "s-b": "Deux"}})


def test_speakers_from_spk2utt_or_by_option(recipe: Path) -> None:
    tables(recipe / "data" / "train", utt2spk=None, spk2utt="s s-a s-b\n")
    assert read_datadir(enter(recipe)).utt2spk == {"s-a": "s", "s-b": "s"}
    tables(recipe / "data" / "train", spk2utt=None)
    with pytest.raises(DataError, match="has neither utt2spk nor spk2utt; --own-speakers makes"):
        enter(recipe)
    assert read_datadir(enter(recipe, own_speakers=True)).utt2spk == {"s-a": "s-a", "s-b": "s-b"}


def test_unsorted_tables_and_tabs_are_read(recipe: Path) -> None:
    tables(recipe / "data" / "train", text="s-b\tMbili\r\ns-a\tMoja\r\n")
    assert (enter(recipe) / "text").read_text() == "s-a Moja\ns-b Mbili\n"


def test_incomplete_utterances_are_listed(recipe: Path) -> None:
    tables(recipe / "data" / "train", text="s-a Moja\ns-c Tatu\n",
           wav_scp="s-a audio/a.flac\ns-b audio/b.flac\ns-d gone.wav\n", utt2spk="s-a s\ns-b s\ns-d s\n")
    with pytest.raises(DataError, match=r"set tgt_train: 3 of 4 utterances cannot be used, .*\(incomplete 3\).*--root"):
        enter(recipe)
    assert (enter(recipe, max_drop=0.9) / "dropped.tsv").read_text() == (
        "s-b\tincomplete: not in text\ns-c\tincomplete: not in wav.scp and utt2spk\ns-d\tincomplete: not in text\n")
    tables(recipe / "data" / "train", text="s-a Moja\ns-d Nne\n",
           segments="s-a T 0 1\ns-d s-d 0 1\n", utt2spk="s-a s\ns-d s\n")
    with pytest.raises(DataError, match=r"none is left \(incomplete 1, missing 1\)"):
        enter(recipe, max_drop=0.9)


REFUSED: dict[str, tuple[dict[str, str | bytes | None], str]] = {
    "features only": ({"wav_scp": None, "feats__scp": "s-a x.ark:5\n"}, ": has no wav.scp; it holds features "
                      "(feats.scp), but audio is needed: give the directory that they were made from"),
    "no audio": ({"wav_scp": None}, ": has no wav.scp; give the data directory of one set"),
    "archives": ({"wav_scp": "s-a dump/wav.1.ark:4\ns-b dump/wav.1.ark:99\n"}, "/wav.scp: s-a: 'dump/wav.1.ark:4' lies "
                 "within an archive, which is not read; make the dump with files (ESPnet: --audio_format flac)"),
    "other speeds": ({"utt2speed": "s-a 0.9\n"}, ": holds copies of other speeds (utt2speed); give the directory that "
                     "it was made from"),
    "no text": ({"text": None}, "/text: no such file"),
    "path without an id": ({"wav_scp": "s-a\n"}, "/wav.scp:1: key 's-a' has no value; add it or remove the line"),
    "duplicate id": ({"text": "s-a x\ns-a y\n"}, "/text:2: duplicate key 's-a'; keys must be unique"),
    "byte-order mark": ({"text": b"\xef\xbb\xbfs-a x\n"}, "/text:1: starts with a byte-order mark; save it as plain "
                        "UTF-8"),
    "Latin-1": ({"text": "s-a é\n".encode("latin-1")}, "/text:1: not UTF-8 (invalid continuation byte at byte 4 of the "
                "line); convert it with iconv"),
    "segment of five fields": ({"segments": "s-a T 0 1 A x\n"}, "/segments: utterance s-a: has 6 fields; a line is "
                               "'<utterance> <recording> <start> <end>', times in seconds, with or without '<channel>' "
                               "after it, counted from 0"),
    "segment without time": ({"segments": "s-a T 1 1\n"}, "/segments: utterance s-a: ends at 1 s, not after its start "
                             "at 1 s"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(recipe: Path, case: str) -> None:
    contents, message = REFUSED[case]
    directory = tables(recipe / "data" / "train", **contents)
    with pytest.raises(DataError) as error:
        enter(recipe)
    assert str(error.value) == f"{directory}{message}"
    assert not (recipe.parent / "ours").exists()


def test_refuses_what_is_not_there(recipe: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such directory"):
        enter(recipe, "nowhere")
    with pytest.raises(DataError, match=r"text\.tc\.fr: no such file"):
        enter(recipe, texts={"text.fr.human": "text.tc.fr"})
    with pytest.raises(DataError, match=r"text\.fr: a further text must be named"):
        enter(recipe, texts={"text.fr": "text"})


@pytest.fixture
def piped(recipe: Path) -> Path:
    """The recipe with commands in wav.scp, each of which notes in ``runs`` that it was run."""
    tables(recipe / "data" / "train", wav_scp="s-a echo a >> runs; cat audio/a.flac | cat |\n"
                                              "s-b echo b >> runs; cat audio/b.flac |\n")
    return recipe


def runs(recipe: Path) -> str:
    return (recipe / "runs").read_text() if (recipe / "runs").exists() else ""


def test_commands_are_refused_unless_allowed(piped: Path) -> None:
    with pytest.raises(DataError) as error:
        enter(piped)
    assert str(error.value) == (
        f"{piped}/data/train/wav.scp: 2 of 2 entries are commands, e.g. s-a: 'echo a >> runs; cat audio/a.flac | cat'. "
        f"Read them; --allow-pipes runs each once, in {piped}, and keeps its output")
    assert runs(piped) == ""
    assert not (piped.parent / "ours").exists()


def test_commands_run_once(piped: Path) -> None:
    data = read_datadir(enter(piped, allow_pipes=True))
    assert sorted(runs(piped)) == sorted("a\nb\n")
    kept = Path(data.wav_scp["s-a"])
    assert kept.parent == piped.parent / "ours" / "audio" / "tgt_train"
    assert kept.read_bytes() == (piped / "audio" / "a.flac").read_bytes()
    assert data.utt2dur["s-a"] == pytest.approx(0.5)
    enter(piped, allow_pipes=True)
    assert len(runs(piped)) == 4
    kept.unlink()  # only what is lost is made again
    enter(piped, allow_pipes=True)
    assert runs(piped)[4:] == "a\n"
    enter(piped, allow_pipes=True, force=True)
    assert len(runs(piped)) == 10


def test_changed_command_replaces_its_output(piped: Path) -> None:
    before = read_datadir(enter(piped, allow_pipes=True)).wav_scp
    tables(piped / "data" / "train", wav_scp="s-a cat audio/talk.wav |\ns-b echo b >> runs; cat audio/b.flac |\n")
    data = read_datadir(enter(piped, allow_pipes=True))
    assert data.utt2dur["s-a"] == pytest.approx(4.0)
    assert data.wav_scp["s-b"] == before["s-b"]
    assert not os.path.exists(before["s-a"])


@pytest.mark.parametrize(("command", "reason"), [
    ("head -c 99 audio/b.flac; cat gone.wav", "exit status 1 of 'head -c 99 audio/b.flac; cat gone.wav': cat: "
                                              "gone.wav: No such file or directory"),
    ("cat gone.wav | cat", "exit status 1 of 'cat gone.wav | cat': cat: gone.wav: No such file or directory"),
    ("exit 3", "exit status 3 of 'exit 3': it says nothing"),
    ("kill -9 $$", "SIGKILL ended 'kill -9 $$': it says nothing"),
    ("true", "'true' wrote nothing: it says nothing")])
def test_commands_that_fail_are_listed(piped: Path, command: str, reason: str) -> None:
    tables(piped / "data" / "train", wav_scp=f"s-a cat audio/a.flac |\ns-b {command} |\n")
    ours = enter(piped, allow_pipes=True, max_drop=0.5)
    assert (ours / "dropped.tsv").read_text() == f"s-b\tcommand: {reason}\n"
    assert [path.name[:4] for path in (ours.parent / "audio" / "tgt_train").glob("*.wav*")] == ["s-a."]
    assert not list((ours.parent / "audio" / "tgt_train").glob(".*tmp*"))


def test_output_that_is_not_audio_is_listed(piped: Path) -> None:
    tables(piped / "data" / "train", wav_scp="s-a cat audio/a.flac |\ns-b echo no audio |\n")
    assert "cannot be decoded" in (enter(piped, allow_pipes=True, max_drop=0.5) / "dropped.tsv").read_text()


def test_program_that_is_not_there_stops_everything(piped: Path) -> None:
    tables(piped / "data" / "train", wav_scp="s-a no_such_program -f wav x.sph |\ns-b cat audio/b.flac |\n")
    with pytest.raises(DataError, match=r"recording s-a: command 'no_such_program -f wav x.sph' cannot be run in "
                                        r".*exit status 127: .*command not found\); install its program"):
        enter(piped, allow_pipes=True, max_drop=0.5)
    assert not (piped.parent / "ours" / "tgt_train").exists()


def test_killed_run_goes_on_where_it_was(piped: Path) -> None:
    enter(piped, allow_pipes=True)
    audio = piped.parent / "ours" / "audio" / "tgt_train"
    whole, half = sorted(audio.glob("*.wav"))
    half.rename(half.with_name(f".{half.name}.tmp123"))  # as a kill leaves it
    (piped.parent / "ours" / "tgt_train" / ".stage.json").unlink()
    (piped / "runs").unlink()
    enter(piped, allow_pipes=True)
    assert runs(piped) == "b\n"
    assert sorted(audio.glob("*.wav*")) == [whole, half]
    assert not list(audio.glob(".*tmp*"))


def test_one_run_at_a_time(piped: Path) -> None:
    with locked(piped.parent / "ours" / "audio" / "tgt_train"), pytest.raises(StxferError, match="another process"):
        enter(piped, allow_pipes=True)
