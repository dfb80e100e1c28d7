"""The recipe mafand_en_sw/mt1: its presets, what it asks for, and a run of everything on a little text."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from miniatures import MINIATURES

from stxfer.core.fileio import read_json
from stxfer.experiment.config import load_experiment

RECIPE = Path(__file__).parents[1] / "egs2/mafand_en_sw/mt1"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "MAFAND_EN_SW"}
    return subprocess.run([RECIPE / "run.sh", *arguments], capture_output=True, text=True, env=environment)


def test_presets_differ_in_what_they_say() -> None:
    for preset in ("cpu", "tiny"):
        clean, raw = (load_experiment(RECIPE / "conf" / f"{name}.yaml") for name in (preset, f"{preset}_raw"))
        assert list(raw.labels) == ["mt_30k_raw"] and clean.mt.train == raw.mt.train and clean.mt.model == raw.mt.model
        drops = {rule: value for rule, value in vars(raw.mt.clean).items() if rule != "square"}
        assert clean.mt.clean.duplicates and not any(drops.values())
        assert raw.labels["mt_30k_raw"].options.pairs == clean.labels["mt_30k"].options.pairs
        assert not clean.select() and not clean.compare


def test_what_it_asks_for(tmp_path: Path) -> None:
    assert "--mafand-en-sw" in run("--help").stdout
    missing = run("--workdir", str(tmp_path))
    assert missing.returncode == 1 and "error: no corpus: give --mafand-en-sw DIR" in missing.stderr
    wrong = run("--mafand-en-sw", str(tmp_path), "--preset", "huge")
    assert wrong.returncode == 2 and "--preset huge: no such preset" in wrong.stderr


def test_everything_on_a_little_text(tmp_path: Path, python: Path) -> None:
    work = MINIATURES["mafand_en_sw"](tmp_path).made(python=python).work
    table = (work / "exp/clean/mt/RESULTS.md").read_text(encoding="utf-8")
    assert [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| mt")] == [
        "| mt_5k", "| mt_10k", "| mt_30k", "| mt_5k_filtered", "| mt_30k_filtered", "| mt_30k_best75",
        "| mt_30k_best50", "| mt_30k_best25"]
    assert re.search(r"^\| mt_10k \| 400 \| 20 \| [\d,]+ \| 10 \(100", table, re.MULTILINE)  # pairs, steps, parameters
    assert "chrf|norm:sw." in table
    raw = (work / "exp/raw/mt/RESULTS.md").read_text(encoding="utf-8")
    assert re.search(r"^\| mt_30k_raw \| 800 \| 20 \| [\d,]+ \| 10 \(100", raw, re.MULTILINE)
    score = read_json(work / "exp/clean/mt/mt_30k_best50/score/score.json")
    assert score["pairs"] == 10 and score["kept"] + sum(score["dropped"].values()) == 10 and score["kept"] < 10
