"""egs2/mini_sw/asr1 with its smallest preset, from nothing to the table: complete, repeatable, killable."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import forks
import pytest
import tamper

from stxfer.core.digests import REMEMBERED

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / "egs2" / "mini_sw" / "asr1" / "run.sh"
SYSTEMS = ["source_asr", "st_human", "st_mt", "scratch", "direct", "xfer_human", "xfer_mt"]
COMPARED = [("direct", "scratch"), ("xfer_human", "direct"), ("xfer_mt", "direct")]
ENV = {"STXFER_PYTHON": sys.executable, **os.environ}


def command(workdir: Path, *arguments: str) -> list[str]:
    return [str(RUN), "--preset", "tiny", "--workdir", str(workdir), *arguments]


def run(workdir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(command(workdir, *arguments), env=ENV, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    return result


def run_and_kill(workdir: Path, when: Callable[[str], bool], *arguments: str) -> None:
    """Start the recipe and kill it, with all its processes, once ``when(what it has said)`` is true."""
    log = workdir.with_suffix(".log")
    with open(log, "w") as handle:
        process = subprocess.Popen(command(workdir, *arguments), env=ENV, stderr=handle, stdout=handle,
                                   start_new_session=True)
    try:
        while not when(log.read_text()):
            assert process.poll() is None, f"it ended before it could be killed:\n{log.read_text()[-2000:]}"
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def contents(workdir: Path, part: str) -> dict[str, bytes]:
    """Return the files of ``part``, without markers."""
    return {str(path.relative_to(workdir)): path.read_bytes()
            for path in sorted((workdir / part).rglob("*")) if path.is_file()
            and path.name not in (".stage.json", ".digests.json")}


def state(workdir: Path) -> dict[Path, tuple[int, int]]:
    """Return when each file was written; leaks are looked for each time."""
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in workdir.rglob("*")
            if path.is_file() and path.name not in (".stxfer.lock", "leaks.json", REMEMBERED)
            and path != workdir / "dump/data/.stage.json"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workdir = tmp_path_factory.mktemp("finished") / "work"
    run(workdir)
    return workdir


def test_results_hold_every_system_and_comparison(finished: Path) -> None:
    results = json.loads((finished / "exp/report/results.json").read_text())
    rows = results["rows"]
    assert {row["system"] for row in rows} == set(SYSTEMS)
    for row in rows:
        assert row.keys() >= {"system", "seed", "train_hours", "set", "metric", "value", "n_utts", "n_ref"}
        assert row["set"] == ("tgt_test" if row["system"] in ("scratch", "direct", "xfer_human", "xfer_mt")
                              else "src_test")
        assert row["metric"] in (("bleu", "chrf") if row["system"].startswith("st_") else ("wer", "cer"))
        assert row["train_hours"] > 0 and row["value"] >= 0 and row["n_utts"] > 0 and row["n_ref"] >= row["n_utts"]
    assert len({(row["system"], row["seed"], row["metric"]) for row in rows}) == len(rows) == 2 * len(SYSTEMS)
    comparisons = results["comparisons"]
    assert {(c["system"], c["baseline"]) for c in comparisons} >= set(COMPARED)
    for comparison in comparisons:
        assert comparison.keys() >= {"system", "baseline", "set", "metric", "relative_reduction", "ci_low", "ci_high"}
        if comparison["relative_reduction"] is not None:
            assert comparison["ci_low"] <= comparison["relative_reduction"] <= comparison["ci_high"]


def test_the_table_names_every_system(finished: Path) -> None:
    table = (finished / "exp/report/RESULTS.md").read_text()
    assert all(f"| {system} |" in table for system in SYSTEMS)


def test_test_sentences_and_speakers_are_in_no_training_set(finished: Path) -> None:
    def column(name: str, column: int, *sets: str) -> set[str]:
        return {line.split(maxsplit=1)[column].strip() for part in sets
                for line in (finished / "data" / part / name).read_text().splitlines()}

    for side in ("src", "tgt"):
        assert not column("text", 1, f"{side}_test") & column("text", 1, f"{side}_train", f"{side}_dev")
        assert not column("utt2spk", 1, f"{side}_test") & column("utt2spk", 1, f"{side}_train")
    target_test = column("text", 1, "tgt_test")
    assert not target_test & column("text.sw.human", 1, "src_train", "src_dev")
    bitext = set((finished / "data/bitext/train.sw").read_text().splitlines())
    assert bitext and not {sentence.casefold() for sentence in bitext} & {text.casefold() for text in target_test}


def test_a_finished_run_is_not_done_again(finished: Path) -> None:
    before = state(finished)
    run(finished)
    assert state(finished) == before


def test_killed_in_each_stage_of_data_it_reaches_the_same_data(finished: Path, tmp_path: Path) -> None:
    workdir = tmp_path / "work"
    for stage in ("data", "prepare", "features", "labels", "vocab"):
        run_and_kill(workdir, lambda said, stage=stage: f": {stage} (" in said, "--stop-stage", stage)
    run(workdir, "--stop-stage", "vocab")
    for part in ("data", "dump"):
        again, once = contents(workdir, part), contents(finished, part)
        assert again.keys() == once.keys()
        assert [name for name in once if again[name] != once[name]] == []


# --- from here on the work directory is a copy, and the original is gone ------------------------------

@pytest.fixture(scope="module")
def moved(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished work directory, all of whose files are of another time."""
    copy = tmp_path_factory.mktemp("moved") / "elsewhere"
    shutil.copytree(finished, copy, copy_function=shutil.copyfile)
    shutil.rmtree(finished)
    return copy


def test_nothing_but_logs_names_the_place_of_a_work_directory(moved: Path, finished: Path) -> None:
    files = [path for path in moved.rglob("*") if path.is_file() and path.suffix != ".log"]
    assert len(files) > 300
    assert [path for path in files if bytes(finished) in path.read_bytes()] == []


def test_a_copy_reached_by_a_link_is_up_to_date(moved: Path, tmp_path: Path) -> None:
    before = state(moved)
    (tmp_path / "link").symlink_to(moved)
    run(tmp_path / "link")
    assert state(moved) == before


def test_killed_in_training_it_goes_on_to_the_same_result(moved: Path) -> None:
    """And transfers from models that have moved, to the same numbers."""
    report = moved / "exp/report/results.json"
    uninterrupted = json.loads(report.read_text())
    shutil.rmtree(moved / "exp" / "xfer_mt")
    shutil.rmtree(report.parent)
    log = moved / "exp/xfer_mt/seed1/train.log"
    # In the second epoch: the first one's checkpoint is there to go on from.
    run_and_kill(moved, lambda _: log.exists() and re.search(r"\D2/\d+epoch started", log.read_text()) is not None)
    assert not (moved / "exp/xfer_mt/seed1/.stage.json").exists() and not report.exists()
    run(moved)
    assert len(re.findall(r"\D1/\d+epoch started", log.read_text())) == 1  # the second start went on where it was
    assert json.loads(report.read_text()) == uninterrupted


# --- behind the recipe's back; last, as it leaves a report of its own --------------------------------

def test_no_change_behind_its_back_gives_another_table(moved: Path) -> None:
    """A part of what ``tools/campaign/tamper.py`` does with every file."""
    tiny = ROOT / "egs2/mini_sw/asr1/conf/tiny.yaml"
    forks.import_once(module for module, *_ in forks.STAGES.values())
    assert tamper.run_stages(moved, tiny, ["report"]) == ""
    decoded = "exp/direct/seed1/decode/tgt_test"
    chosen = [tamper.Case(f"{decoded}/text", "flipped", "decode"),
              tamper.Case(f"{decoded}/score/score.json", "cut", "score"),
              tamper.Case("dump/fbank/tgt_test/feats.1.ark", "flipped", "features"),
              tamper.Case("dump/vocab/target/bpe.model", "exchanged", "vocab", "dump/vocab/source/bpe.model"),
              tamper.Case("exp/report/results.json", "deleted", "report")]
    assert tamper.tamper(moved, tiny, chosen) == {"refused": 4, "right": 1}
