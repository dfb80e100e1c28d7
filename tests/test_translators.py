"""What holds for every kind of translators: its registration, its identity, and that it is cheap to ask for it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import toy

from stxfer.core.errors import ConfigError, DataError
from stxfer.core.fileio import sha256, write_json
from stxfer.core.fresh import digest
from stxfer.core.stage import Stage
from stxfer.experiment.labels import Label
from stxfer.experiment.translators import OPTIONS
from stxfer.kaldi.table import write_table
from stxfer.mt.open import KINDS, Opener, reads_raw
from stxfer.mt.translators.transliterate import load_map, map_file

DUMP, EXP = Path("dump"), Path("exp")
HUMAN = [f"dump/fbank/{name}/text.sw.human" for name in ("src_train", "src_dev")]
# A label source of each kind: what it declares beside the kind; its options as labels record them; what it reads.
SOURCES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "trained": ({"pairs": 30}, {"pairs": 30}, ["exp/mt/of_trained"]),
    "ctranslate2": ({"model": "model", "target": "sw"},
                    {"model": "model", "source": "", "target": "sw", "text": "raw", "compute_type": "auto",
                     "device": "auto", "length_penalty": 1.0}, ["model"]),
    "apertium": ({"mode": "spa-cat"}, {"mode": "spa-cat", "unknown": "keep", "text": "raw"}, []),
    "precomputed": ({"file": "given"}, {"file": "given"}, ["given"]),
    "human": ({}, {}, HUMAN),
    "transliterate": ({"map": "mine.tsv"}, {"map": "mine.tsv"}, ["mine.tsv"])}
DECODE = {"beam_size": 2, "ctc_weight": 0.0, "length_bonus": 0.0, "maxlenratio": 2.0, "minlenratio": 0.0,
          "batch_frames": 100, "amp": False}


def opener(kind: str, **options: Any) -> Opener:
    """Return the opener of a label source ``of_<kind>``."""
    declared = {"translator": kind, **(options or SOURCES[kind][0])}
    return Opener(f"of_{kind}", toy.make_experiment(Path.cwd(), labels={f"of_{kind}": declared})[0], DUMP, EXP)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with what each of ``SOURCES`` reads; the models are empty files."""
    monkeypatch.chdir(tmp_path)
    toy.make_dump(tmp_path)
    write_table(tmp_path / "given", {"u": "x"})
    (tmp_path / "mine.tsv").write_text("c\tk\n", encoding="utf-8")
    for directory, names in ((EXP / "mt/of_trained", ("model.pth",)),
                             (Path("model"), ("model.bin", "config.json", "source.spm", "target.spm"))):
        directory.mkdir(parents=True)
        for name in names:
            (directory / name).touch()
        Stage("model", directory).finish([directory / name for name in names])
    write_json(Path("model/translator.json"), {"family": "Marian", "positions": 512})
    write_json(Path("model/shared_vocabulary.json"), [])
    return tmp_path


def test_every_kind_is_registered() -> None:
    assert set(KINDS) == set(OPTIONS) == set(SOURCES)


@pytest.mark.parametrize("kind", KINDS)
def test_what_labels_record_of_their_translator(world: Path, kind: str) -> None:
    """The record decides whether finished labels are up to date: as long as this test passes they stay so."""
    _, options, inputs = SOURCES[kind]
    expected: dict[str, Any] = {"kind": kind, "options": options}
    if inputs:
        expected["inputs"] = {path: digest(path) for path in inputs}
    if kind == "trained":  # the directory's own digest is of all that lies in it
        expected["inputs"] = {path: sha256(f"{path}/model.pth") for path in inputs}
    if kind in ("trained", "ctranslate2"):
        expected["decode"] = DECODE
    source = opener(kind)
    assert source.identity == expected
    assert source.inputs == list(map(Path, inputs))


@pytest.mark.parametrize("kind", [kind for kind, (_, _, inputs) in SOURCES.items() if inputs])
def test_an_input_that_is_not_there_is_named(world: Path, kind: str) -> None:
    names = HUMAN if kind == "human" else SOURCES[kind][2]
    for name in names:
        Path(name).rename(f"{name}.away")
    with pytest.raises((ConfigError, DataError), match=names[0].replace(".", r"\.") + "'?: no such|map 'mine.tsv'"):
        _ = opener(kind).identity


def test_rules_that_are_built_in_are_known_by_what_they_say(world: Path) -> None:
    source = opener("transliterate", map="en-sw")
    assert source.inputs == [] and source.identity == {
        "kind": "transliterate", "options": {"map": "en-sw"}, "rules": load_map(map_file("en-sw")).digest}
    assert load_map(map_file("latin-latin")).digest != source.identity["rules"]


@pytest.mark.parametrize("kind", KINDS)
def test_which_transcripts_are_read(kind: str) -> None:
    """Kinds with the option ``text`` read what it says, others normalised text."""
    has_option = "text" in {field.name for field in fields(OPTIONS[kind])}
    options = SOURCES[kind][0]
    raw = {text: reads_raw(Label(kind, OPTIONS[kind](**{**options, **({"text": text} if has_option else {})})))
           for text in ("raw", "normalised")}
    assert raw == {"raw": has_option, "normalised": False}
    assert not reads_raw(Label("", None, source=kind))


def test_a_label_made_of_others_has_no_translator(world: Path) -> None:
    experiment, _ = toy.make_experiment(world, labels={"mt": {}, "copy": {"from": "mt"}})
    with pytest.raises(ConfigError, match="label 'copy' is made of other labels, not translated"):
        Opener("copy", experiment, DUMP, EXP)


def test_looking_at_a_label_source_loads_no_toolkit(world: Path) -> None:
    toy.make_experiment(world, labels={f"of_{kind}": {"translator": kind, **SOURCES[kind][0]} for kind in KINDS})
    code = """if True:
        import sys
        from pathlib import Path
        from stxfer.experiment.config import load_experiment
        from stxfer.mt.open import KINDS, Opener
        experiment = load_experiment("toy.yaml")
        for kind in KINDS:
            assert Opener("of_" + kind, experiment, Path("dump"), Path("exp")).identity["kind"] == kind
        print(*sorted({"ctranslate2", "espnet", "espnet2", "torch", "transformers"} & sys.modules.keys()))"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "\n"
