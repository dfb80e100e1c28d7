"""Work directories that are moved, copied and linked to: what lies within is found there, and nowhere else."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import toy

from stxfer.audio.ark import FeatureTable
from stxfer.audio.dump import dump_fbank
from stxfer.audio.stamps import files_digest
from stxfer.core.errors import StaleError
from stxfer.core.marker import MARKER
from stxfer.core.stage import Stage
from stxfer.core.workdir import ROOT, WorkDir
from stxfer.kaldi.combine import combine_datadirs
from stxfer.kaldi.datadir import DataDir, read_datadir, write_datadir
from stxfer.kaldi.fix import fix_datadir
from stxfer.kaldi.subset import subset_datadir
from stxfer.kaldi.table import read_table, write_table
from stxfer.model.load import load_model
from stxfer.training.fit_system import fit_system

UTTS = ("a", "b", "c")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work directory of one data directory, with audio of its own and a recording from elsewhere."""
    root = tmp_path / "work"
    (root / "audio").mkdir(parents=True)
    (root / ROOT).touch()
    rng = np.random.default_rng(1)
    for path in (root / "audio/a.wav", root / "audio/b.wav", tmp_path / "corpus.wav"):
        soundfile.write(path, rng.uniform(-0.5, 0.5, 8000), 16000)
    paths = {"a": root / "audio/a.wav", "b": root / "audio/b.wav", "c": tmp_path / "corpus.wav"}
    write_datadir(root / "data/set", DataDir(root / "data/set", {utt: str(path) for utt, path in paths.items()},
                                             dict.fromkeys(UTTS, "x"), dict.fromkeys(UTTS, "s"),
                                             dict.fromkeys(UTTS, 0.5)))
    return root


def test_paths_within_are_stored_relative_and_found_wherever_one_stands(work: Path, tmp_path: Path,
                                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    outside = str(tmp_path / "corpus.wav")
    assert read_table(work / "data/set/wav.scp") == {"a": "audio/a.wav", "b": "audio/b.wav", "c": outside}
    assert read_datadir(work / "data/set").wav_scp == {"a": f"{work}/audio/a.wav", "b": f"{work}/audio/b.wav",
                                                       "c": outside}
    monkeypatch.chdir(work)
    assert read_datadir("data/set").wav_scp["a"] == "audio/a.wav"
    monkeypatch.chdir(work / "data")
    assert os.path.samefile(read_datadir("set").wav_scp["a"], work / "audio/a.wav")


def test_a_link_to_the_work_directory_is_as_good(work: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(work)
    for place in (work, link):
        for path in (work, link):
            assert WorkDir.of(place / "exp").stored(path / "audio/a.wav") == "audio/a.wav"
    assert WorkDir.of(link).portable({f"{work}/a": [f"{link}/b", str(tmp_path), 1]}) == {"a": ["b", str(tmp_path), 1]}


def test_a_disk_within_reach_of_a_link_belongs_to_the_work_directory(work: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (work / "dump").symlink_to(tmp_path / "disk")
    assert WorkDir.of(work / "dump/x").stored(work / "dump/feats.ark") == "dump/feats.ark"


def test_the_nearest_work_directory_counts_and_without_one_nothing_changes(work: Path, tmp_path: Path) -> None:
    (work / "data" / ROOT).touch()
    assert WorkDir.of(work / "data/set").stored(work / "audio/a.wav") == f"{work}/audio/a.wav"
    nowhere = WorkDir.of(tmp_path / "set")
    assert nowhere.root == "" and nowhere.stored("audio/a.wav") == nowhere.located("audio/a.wav") == "audio/a.wav"


def test_a_relative_path_that_leads_out_becomes_absolute(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    assert WorkDir.of(work).stored("../corpus.wav") == str(work.parent / "corpus.wav")


def test_features_of_a_copy_are_the_copys(work: Path, tmp_path: Path) -> None:
    dump_fbank(work / "data/set", work / "dump/set")
    assert all(value.startswith("dump/set/feats.1.ark:") for value in read_table(work / "dump/set/feats.scp").values())
    before = FeatureTable(work / "dump/set/feats.scp")["a"]
    shutil.copytree(work, tmp_path / "copy", copy_function=shutil.copyfile)
    shutil.rmtree(work)
    assert np.array_equal(FeatureTable(tmp_path / "copy/dump/set/feats.scp")["a"], before)


def test_a_copy_is_up_to_date_and_its_own_files_are_what_it_looks_at(work: Path, tmp_path: Path) -> None:
    dump_fbank(work / "data/set", work / "dump/set")
    copy = tmp_path / "copy"
    shutil.copytree(work, copy, copy_function=shutil.copyfile)  # other times, other inodes
    shutil.rmtree(work)
    marker = copy / "dump/set" / MARKER
    assert str(work) not in marker.read_text()
    before = marker.stat().st_mtime_ns
    dump_fbank(copy / "data/set", copy / "dump/set")
    assert marker.stat().st_mtime_ns == before
    write_table(copy / "data/set/text", dict.fromkeys(UTTS, "y"))
    with pytest.raises(StaleError, match=r"text has changed since it was made"):
        Stage("later", tmp_path / "later", [copy / "dump/set"]).needed()


def test_what_stands_for_audio_within_is_its_content(work: Path) -> None:
    path, other = work / "audio/a.wav", work.parent / "corpus.wav"
    before = files_digest([path], work / "x"), files_digest([other], work / "x")
    for file in (path, other):
        os.utime(file, (1, 1))
    after = files_digest([path], work / "x"), files_digest([other], work / "x")
    assert after[0] == before[0] and after[1] != before[1]
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    assert files_digest([path], work / "x") != before[0]


def test_parts_of_data_directories_keep_their_audio_elsewhere(work: Path, tmp_path: Path) -> None:
    same = {"a": "audio/a.wav", "b": "audio/b.wav", "c": str(tmp_path / "corpus.wav")}
    other = {**same, "a": f"{work}/audio/a.wav", "b": f"{work}/audio/b.wav"}
    for out, expected in ((work / "data/part", same), (tmp_path / "part", other)):
        subset_datadir(work / "data/set", out, n_utts=3)
        assert read_table(out / "wav.scp") == expected
        fix_datadir(work / "data/set", out)
        assert read_table(out / "wav.scp") == expected
    write_datadir(work / "data/more", DataDir(work, {"d": "audio/a.wav"}, {"d": "x"}, {"d": "s"}, {"d": 0.5}))
    combine_datadirs([tmp_path / "part", work / "data/more"], work / "data/all")
    assert read_table(work / "data/all/wav.scp") == {**same, "d": read_table(work / "data/more/wav.scp")["d"]}


def test_a_marker_of_an_older_version_with_absolute_paths_is_read(work: Path) -> None:
    stage = Stage("next", work / "next", [work / "data/set/text"], {"file": f"{work}/audio/a.wav"})
    stage.begin()
    stage.finish([])
    marker = json.loads(stage.marker.read_text())
    assert list(marker["inputs"]) == ["data/set/text"] and marker["options"] == {"file": "audio/a.wav"}
    old = {**marker, "inputs": {f"{work}/data/set/text": marker["inputs"]["data/set/text"]},
           "options": {"file": f"{work}/audio/a.wav"}}
    old.pop("seal")  # of before there were seals
    stage.marker.write_text(json.dumps(old))
    assert stage.changes() == []
    write_table(work / "data/set/text", {"a": "z"})
    assert stage.changes() == ["input data/set/text"]


def test_a_trained_system_names_no_place_and_opens_in_a_copy(tmp_path: Path) -> None:
    world = tmp_path / "world"
    world.mkdir()
    (world / ROOT).touch()
    experiment, _ = toy.make_world(world)
    fit_system(experiment, experiment.systems["scratch"], 1, world / "dump", world / "exp")
    model = world / "exp/scratch/seed1"
    texts = [path for path in model.rglob("*") if path.is_file() and path.suffix not in (".pth", ".png", ".log")]
    assert len(texts) > 5 and [path for path in texts if str(world) in path.read_text(encoding="utf-8")] == []
    shutil.copytree(world, tmp_path / "copy")
    shutil.rmtree(world)
    loaded = load_model(tmp_path / "copy/exp/scratch/seed1")
    assert loaded.config["bpemodel"] == f"{tmp_path}/copy/dump/vocab/target/bpe.model"
    assert (tmp_path / "copy" / ROOT).is_file()
