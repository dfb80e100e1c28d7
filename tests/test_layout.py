"""Paths of data, dump and exp: where they lie, and that no other module spells them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from stxfer.core.stage import Stage
from stxfer.experiment import layout
from stxfer.experiment.systems import Mix, System

ROOT = Path(__file__).resolve().parents[1]
DUMP, EXP = Path("dump"), Path("exp")
FOLDERS = {"fbank", "translations", "vocab", "seed", "model.pth", "model.safetensors", "model.json", "config.yaml",
           "curve.png", "transfer.json", "feats.scp", "utt2num_frames", "feats.sha256", "score.json", "utts.jsonl",
           "espnet.json"}
OTHERS = {"experiment/layout.py", "corpora/kaldi_dir.py"}  # the latter looks for features that Kaldi left


def system(name: str = "xfer_mt", task: str = "asr", data: str = "tgt_train", text: str = "sw") -> System:
    return System(name=name, task=task, data=data, text=text)


@pytest.mark.parametrize("found, expected", [
    (layout.bitext_dir(Path("data")), "data/bitext"),
    (layout.prepared_dir(DUMP, "src_train"), "dump/data/src_train"),
    (layout.prepared_dir(DUMP), "dump/data"),
    (layout.clean_bitext_dir(DUMP), "dump/data/bitext"),
    (layout.features_dir(DUMP, "src_dev"), "dump/fbank/src_dev"),
    (layout.features_dir(DUMP), "dump/fbank"),
    (layout.human_text(DUMP, "src_test", "sw"), "dump/fbank/src_test/text.sw.human"),
    (layout.translations_dir(DUMP, "mt", "src_train"), "dump/translations/mt/src_train"),
    (layout.label_dir(DUMP, "mt", "src_train"), "dump/labels/mt/src_train"),
    (layout.label_text(DUMP, "mt", "src_train", "sw"), "dump/labels/mt/src_train/text.sw.mt"),
    (layout.label_text(DUMP, "human", "src_train", "sw"), "dump/fbank/src_train/text.sw.human"),
    (layout.vocab_dir(DUMP, "target"), "dump/vocab/target"),
    (layout.mt_dir(EXP, "mt_5k"), "exp/mt/mt_5k"),
    (layout.mt_score_dir(EXP, "mt_5k"), "exp/mt/mt_5k/score"),
    (layout.system_dir(EXP, "xfer_mt", 2), "exp/xfer_mt/seed2"),
    (layout.decode_dir(EXP, system(), 2), "exp/xfer_mt/seed2/decode/tgt_test"),
    (layout.score_dir(EXP, system("st", "st", "src_train", "sw.mt"), 1), "exp/st/seed1/decode/src_test/score"),
    (layout.report_dir(EXP), "exp/report"),
])
def test_paths(found: Path, expected: str) -> None:
    assert str(found) == expected


@pytest.mark.parametrize("part, name, expected", [
    (system(), "", "fbank/tgt_train/text"), (system(), "tgt_dev", "fbank/tgt_dev/text"),
    (system(task="st", data="src_train", text="sw.human"), "", "fbank/src_train/text.sw.human"),
    (system(task="st", data="src_train", text="sw.mt"), "src_dev", "labels/mt/src_dev/text.sw.mt"),
    (Mix("src_train", "sw.mt"), "", "labels/mt/src_train/text.sw.mt"),
])
def test_the_text_a_system_learns(part: System | Mix, name: str, expected: str) -> None:
    assert layout.text_file(part, DUMP, name) == DUMP / expected


def test_what_lies_beside_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert layout.beside(DUMP, layout.DATA) == Path("data") and layout.beside(Path("a/dump"), EXP) == Path("a/exp")
    assert layout.beside(Path("."), layout.DATA) == tmp_path.parent / "data"


def test_exported_parameters_are_found(tmp_path: Path) -> None:
    assert layout.parameters(tmp_path) == tmp_path / "model.pth"
    (tmp_path / "model.safetensors").touch()
    assert layout.parameters(tmp_path) == tmp_path / "model.safetensors"


def test_scored_translators(tmp_path: Path) -> None:
    for label in ("mt_5k", "mt"):
        layout.mt_score_dir(tmp_path, label).mkdir(parents=True)
        (layout.mt_score_dir(tmp_path, label) / "score.json").touch()
    (layout.mt_dir(tmp_path, "trained_only")).mkdir()
    stage = Stage("score", layout.mt_score_dir(tmp_path, "mt"))
    stage.finish([stage.out / "score.json"])
    (stage.out / "score.json").unlink()  # that it is lost is for who reads it to tell
    assert layout.mt_scores(tmp_path) == {label: tmp_path / f"mt/{label}/score/score.json" for label in ("mt", "mt_5k")}


def test_imported_systems(tmp_path: Path) -> None:
    runs = ("a/seed1", "a/seed2", "b/seed1")
    paths = [tmp_path / run / "decode/tgt_test/espnet.json" for run in runs]
    for path in (*paths, tmp_path / "c/seed1/decode/tgt_test/text"):
        path.parent.mkdir(parents=True)
        path.touch()
    assert layout.imported_files(tmp_path) == {"a": paths[:2], "b": paths[2:]}


def test_no_other_module_spells_a_path() -> None:
    found = []
    for path in sorted((ROOT / "stxfer").rglob("*.py")):
        name = str(path.relative_to(ROOT / "stxfer"))
        if name in OTHERS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            joined = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
            if joined and isinstance(node.right, ast.Constant) and node.right.value in FOLDERS:
                found.append(f"{name}:{node.lineno}: {node.right.value}")
    assert not found


def test_paths_need_no_torch() -> None:
    code = "import sys, stxfer.experiment.layout; sys.exit('torch' in sys.modules or 'espnet2' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
