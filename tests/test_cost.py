"""What a dry run says of time, disk and memory: against runs that were timed, and what each depends on."""

from __future__ import annotations

from pathlib import Path

import pytest
from recipes import EGS

from stxfer.experiment.config import Experiment, load_experiment
from stxfer.recipes.amounts import Amount, amounts_of
from stxfer.recipes.cost import REFERENCE, Cost, costs, duration
from stxfer.recipes.plan import TO_DO, Item, expected, sets_of
from stxfer.recipes.steps import Step, Training, gigaflops, time_step

FACTOR = 1.5
DUMP, EXP = Path("dump"), Path("exp")
# Processor seconds of a step on one thread, timed on the machine of the runs below.
MINI = {("asr", 6000, ()): 0.31, ("st", 12000, ("encoder",)): 0.24, ("st", 8000, ()): 0.32, ("mt", 600, ()): 0.21}
# Seconds of each stage of mini_sw's run on two cores, from a fresh clone; those above three seconds.
MINI_RUN = {"data": 60, "prepare": 4, "features": 7, "mt": 78, "labels": 10, "source_asr": 190, "st": 258,
            "target_asr": 263, "decode": 20}


def todo(experiment: Experiment) -> list[Item]:
    return [Item(stage, name, path, TO_DO) for stage, name, path in expected(experiment, DUMP, EXP)]


def estimate(experiment: Experiment, amounts: dict[str, Amount],
             steps: dict[tuple[str, int, tuple[str, ...]], float], *, nj: int = 2, speed: float = REFERENCE
             ) -> dict[str, Cost]:
    def clock(training: Training) -> Step:
        phase = training.phase
        return Step(steps[training.task, phase.batch_frames, phase.freeze], 0.0, 2_000_000)

    return costs(experiment, todo(experiment), amounts, DUMP, nj=nj, clock=clock, speed=lambda: speed)


@pytest.fixture
def mini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Experiment, dict[str, Amount]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    experiment = load_experiment(EGS / "mini_sw/asr1/conf/mini.yaml")
    return experiment, amounts_of(experiment, sets_of(experiment), DUMP, [])


def test_mini_sw_takes_what_it_took(mini: tuple[Experiment, dict[str, Amount]]) -> None:
    found = estimate(*mini, MINI)
    for stage, real in MINI_RUN.items():
        assert real / FACTOR <= found[stage].seconds <= max(real * FACTOR, real + 5), (stage, found[stage], real)
    together = sum(cost.seconds for cost in found.values())
    assert 894 / FACTOR < together < 894 * FACTOR
    disk = sum(cost.disk for cost in found.values())
    assert 300e6 < found["data"].disk < 600e6 and found["features"].disk == pytest.approx(134e6, rel=0.3)
    assert disk < 1.5e9 and all(cost.memory < 4e9 for cost in found.values())


def test_what_the_time_depends_on(mini: tuple[Experiment, dict[str, Amount]]) -> None:
    usual = estimate(*mini, MINI)
    assert estimate(*mini, MINI, speed=REFERENCE / 2)["features"].seconds == pytest.approx(
        2 * usual["features"].seconds, rel=0.3)
    alone = estimate(*mini, MINI, nj=1)
    assert 1.5 < alone["target_asr"].seconds / usual["target_asr"].seconds < 2.1
    steps = {key: 2 * value for key, value in MINI.items()}
    assert 1.8 < estimate(*mini, steps)["st"].seconds / usual["st"].seconds < 2


def test_amounts_of_sets_that_are_not_made(tmp_path: Path) -> None:
    """By what is asked of the synthesiser, by hours asked of a corpus, or by what its audio files weigh."""
    (tmp_path / "clips").mkdir()
    for k in range(10):
        (tmp_path / f"clips/{k}.mp3").write_bytes(b"\0" * 60_000)  # 10 s at 48 kbit/s
    experiment = load_experiment(EGS / "mboshi_fr/asr1/conf/cpu.yaml")
    sets = ["src_tts_train", "tgt_train", "tgt_dev"]
    found = amounts_of(experiment, sets, DUMP, [tmp_path])
    assert found["src_tts_train"].utterances == 5000
    assert found["tgt_train"].seconds + found["tgt_dev"].seconds == pytest.approx(100)
    assert found["src_tts_train"].spoken and not found["tgt_train"].spoken
    hours = tmp_path / "hours.yaml"
    hours.write_text(f"include: [{EGS}/mboshi_fr/asr1/conf/cpu.yaml]\ndata: {{hours: {{tgt_train: 0.01}}}}\n")
    assert amounts_of(load_experiment(hours), sets, DUMP, [tmp_path])["tgt_train"].seconds == 36


def test_a_corpus_in_several_options_counts_once(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/a.mp3").write_bytes(b"\0" * 60_000)
    experiment = load_experiment(EGS / "mboshi_fr/asr1/conf/cpu.yaml")
    corpora = [tmp_path / name for name in ("train.tsv", "test.tsv", "clips")]
    found = amounts_of(experiment, ["tgt_train"], DUMP, corpora)
    assert found["tgt_train"].seconds == pytest.approx(10)


def test_audio_is_weighed_once_however_deep_it_lies(tmp_path: Path) -> None:
    """A minute of WAV three folders deep, as in FLEURS, one beside a table's clips, and one that no table reaches."""
    for place in ("corpus/sw_ke/audio/train", "tables/clips", "tables/clips/old"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "a.WAV").write_bytes(bytes(60 * 32_000))
    (tmp_path / "tables/clips.tsv").touch()
    (tmp_path / "tables/moved.wav").symlink_to(tmp_path / "nowhere")
    experiment = load_experiment(EGS / "mboshi_fr/asr1/conf/cpu.yaml")
    corpora = [tmp_path / name for name in ("corpus", "corpus/sw_ke", "tables/clips.tsv")]
    assert amounts_of(experiment, ["tgt_train"], DUMP, corpora)["tgt_train"].seconds == pytest.approx(120)


def test_of_raw_and_prepared_data_the_prepared_counts(tmp_path: Path) -> None:
    for folder, seconds in (("data", 3.0), ("dump/data", 2.0)):
        (tmp_path / folder / "tgt_train").mkdir(parents=True)
        (tmp_path / folder / "tgt_train/utt2dur").write_text(f"a {seconds}\n")
        (tmp_path / folder / "tgt_train/text").write_text("a kunan\n")
    experiment = load_experiment(EGS / "mboshi_fr/asr1/conf/cpu.yaml")
    assert amounts_of(experiment, ["tgt_train"], tmp_path / "dump", [])["tgt_train"].seconds == 2


def test_a_step_is_timed_on_this_machine() -> None:
    experiment = load_experiment(EGS / "mini_sw/asr1/conf/tiny.yaml")
    phases = experiment.train["st"]
    frozen, whole = (time_step(Training("st", experiment.model, phase, 80, 250, 12, 60, 250)) for phase in phases)
    assert 0 < frozen.seconds < whole.seconds * 1.5 and whole.parameters > 10_000 and frozen.encode == 0.0
    assert time_step(Training("mt", experiment.mt.model, experiment.mt.train[0], 0, 0, 20, 100, 10)).seconds > 0
    assert gigaflops() > 0.1


@pytest.mark.parametrize(("seconds", "said"), [(3.2, "3 s"), (89, "89 s"), (100, "2 min"), (5300, "88 min"),
                                               (9000, "2.5 h")])
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
