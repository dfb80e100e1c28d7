"""What a dry run says: what is there, what would be made, made again or refused, and why; that it writes nothing."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest
import toy
from recipes import EGS, ENV

from stxfer.bin import plan as command
from stxfer.core.stage import Stage
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import features_dir, system_dir
from stxfer.recipes.plan import AGAIN, DONE, PERHAPS, REFUSED, RESUME, TO_DO, Item, expected, lines, plan

DUMP, EXP = Path("dump"), Path("exp")


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """An experiment all of whose stages have finished, each made from the one before; options are not recorded."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".stxfer").touch()
    experiment, _ = toy.make_experiment(tmp_path)
    before: list[Path] = []
    for stage, name, path in expected(experiment, DUMP, EXP):
        path.mkdir(parents=True, exist_ok=True)
        (path / "out").write_text(name)
        made = Stage(name, path, before, step=stage)
        made.begin()
        made.finish([path / "out"])
        before = [path / "out"]
    return experiment


def states(items: list[Item]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in items:
        found.setdefault(item.state, set()).add(item.stage)
    return found


def test_all_is_there(finished: Experiment) -> None:
    assert states(plan(finished, DUMP, EXP)).keys() == {DONE}
    assert states(plan(finished, DUMP, EXP, force=True)).keys() == {AGAIN}


def test_what_is_gone_is_made_and_what_follows_perhaps(finished: Experiment) -> None:
    (features_dir(DUMP, "tgt_dev") / ".stage.json").unlink()
    items = plan(finished, DUMP, EXP)
    assert [item.name for item in items if item.state == TO_DO] == ["tgt_dev"]
    after = [item for item in items if item.state == PERHAPS]
    assert {item.stage for item in after} >= {"mt", "source_asr", "report"}
    assert {item.why.partition(", such as ")[0] for item in after if item.stage == "target_asr"} == {
        "refused without --force if what is made before comes out otherwise"}
    assert {item.state for item in plan(finished, DUMP, EXP, stages=["mt", "labels"])} == {DONE}


def test_what_has_changed_is_made_again_or_refused(finished: Experiment) -> None:
    (features_dir(DUMP, "tgt_test") / "out").write_text("other")
    (system_dir(EXP, "scratch", 1) / "out").write_text("other")
    items = {(item.stage, item.name): item for item in plan(finished, DUMP, EXP)}
    assert items["features", "tgt_test"].state == AGAIN
    assert "out: is not what its stage has written" in items["features", "tgt_test"].why
    alone = plan(finished, DUMP, EXP, stages=["target_asr"])
    assert {item.name: item.state for item in alone}["scratch seed 1"] == REFUSED


def test_a_training_that_was_stopped_goes_on(finished: Experiment) -> None:
    directory = system_dir(EXP, "scratch", 1)
    (directory / ".stage.json").unlink()
    (directory / "begun").mkdir()
    assert [item.name for item in plan(finished, DUMP, EXP) if item.state == RESUME] == ["scratch seed 1"]


def test_systems_and_seeds(finished: Experiment) -> None:
    seeds = dataclasses.replace(finished, seeds=(1, 2))
    named = plan(seeds, DUMP, EXP, systems=["scratch"])
    assert {item.name for item in named if item.stage == "target_asr"} == {"scratch seed 1", "scratch seed 2"}
    assert not [item for item in named if item.stage == "st"]


def test_lines_name_stages_as_the_driver_does(finished: Experiment) -> None:
    printed = list(lines(plan(finished, DUMP, EXP)))
    assert printed[0].startswith(" 1 data        done     tgt_train, ")
    assert printed[-1] == "13 report      done     report"


def test_the_driver_does_nothing(tmp_path: Path) -> None:
    result = subprocess.run([EGS / "mboshi_fr/asr1/run.sh", "--preset", "tiny", "--dry-run", "true", "--mboshi-fr",
                             str(tmp_path / "no"), "--source-corpus", str(tmp_path), "--stop-stage", "features",
                             "--workdir", str(tmp_path / "w")], env=ENV, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert f"  --mboshi-fr {tmp_path}/no (MISSING)\n  --source-corpus {tmp_path} (found)\n" in result.stdout
    assert " 3 features    to do    " in result.stdout and " 4 mt" not in result.stdout
    assert not (tmp_path / "w").exists()


def test_what_is_submitted(finished: Experiment, capsys: pytest.CaptureFixture[str],
                           monkeypatch: pytest.MonkeyPatch) -> None:
    (system_dir(EXP, "scratch", 1) / ".stage.json").unlink()
    monkeypatch.setenv("cmd_backend", "slurm")
    monkeypatch.setenv("cuda_cmd", "--gpu 1")
    command.main(["--config", "toy.yaml", "--estimate", "false", "--stages", "data target_asr"])
    assert "submitted to Slurm: target_asr; train_cmd '', cuda_cmd '--gpu 1', decode_cmd ''" in capsys.readouterr().out


def test_text_may_be_given_by_what_two_files_share(finished: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    Path("pairs.en").touch()
    command.main(["--config", "toy.yaml", "--corpus", "bitext=pairs", "--corpus", "speech=pair"])
    assert "  --bitext pairs (found)\n  --speech pair (MISSING)\n" in capsys.readouterr().out


def test_data_of_other_corpora(finished: Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/options").write_text("--corpus /old\n")
    command.main(["--config", "toy.yaml", "--given", "--corpus /new", "--corpus", "corpus=/new"])
    said = capsys.readouterr().out
    assert "LOOK data/ was made with other corpora: --corpus /old" in said and "0 of " in said
