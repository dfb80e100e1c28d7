"""Commands that other commands start: the modules are there, and take the options that they are given."""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from stxfer.core import commands, jobs
from stxfer.core.commands import NAMES, command_line

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "egs2/mini_sw/asr1/conf/mini.yaml"


def test_options_become_words() -> None:
    options = {"config": Path("a b.yaml"), "job": ["xfer", "1"], "force": True, "allow_stale": False, "nj": 2}
    assert command_line("decode", options) == (
        sys.executable, "-m", "stxfer.bin.decode", "--config", "a b.yaml", "--job", "xfer", "1", "--force", "--nj", "2")
    assert command_line("train_system", {"allow_stale": True}, processes=4) == (
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "4", "-m",
        "stxfer.bin.train_system", "--allow-stale")


def test_a_name_that_is_not_declared_is_refused() -> None:
    with pytest.raises(ValueError, match="'score' is not started by other commands"):
        command_line("score", {})


class Parsed(Exception):
    """The command has parsed its options and would go to work."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, ...]]:
    """Return the command lines that the stages which start commands would start."""
    from stxfer.cluster import parts
    from stxfer.decoding import systems
    from stxfer.experiment.config import load_experiment
    from stxfer.mt import train
    from stxfer.training import language_models, launch

    found: list[tuple[str, ...]] = []

    def run_jobs(of: Sequence[jobs.Job], *_: Any, **__: Any) -> list[str]:
        found.extend(job.command for job in of)
        return []

    for module in (systems, train, launch, language_models, parts):
        monkeypatch.setattr(module, "run_jobs", run_jobs)
    monkeypatch.setattr(systems, "MARKER", "")  # as if everything were trained
    config = tmp_path / "lm.yaml"
    config.write_text(f"include: [{CONFIG}]\nlm: {{sw: {{text: [tgt_train]}}}}\n", encoding="utf-8")
    experiment = load_experiment(config)
    for system in experiment.systems.values():
        (tmp_path / system.name / "seed1").mkdir(parents=True)
    systems.decode_systems(experiment, CONFIG, tmp_path, tmp_path, seeds=[1])
    train.train_translators(experiment, CONFIG, tmp_path, tmp_path, force=True)
    language_models.train_language_models(experiment, CONFIG, tmp_path, tmp_path)
    launch.train_systems(experiment, CONFIG, "source", tmp_path, tmp_path, seeds=[1], allow_stale=True, processes=2)
    launch.train_systems(experiment, CONFIG, "source", tmp_path, tmp_path, seeds=[1], processes=2, nodes=3)
    start_parts(monkeypatch)
    return found


def start_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start what jobs of a cluster do with shards."""
    from stxfer.bin import dump_fbank, make_labels

    def make(*_: Any, elsewhere: Callable[[str, str, int], None], **__: Any) -> dict[str, int]:
        elsewhere("mt", "src_train", 3)
        return {}

    for module in (dump_fbank, make_labels):
        monkeypatch.setattr(module, "away", lambda: True)
    monkeypatch.setattr(dump_fbank, "find_sets", lambda _: ["src_train", "tgt_train"])
    monkeypatch.setattr(dump_fbank, "begin_dump", lambda *_, **__: True)
    monkeypatch.setattr(dump_fbank, "dump_fbank", lambda *_, **__: 0)
    monkeypatch.setattr(make_labels, "make_labels", make)
    monkeypatch.setattr(make_labels, "evaluate_translator", lambda *_, **__: {})
    dump_fbank.main(["--config", str(CONFIG)])
    make_labels.main(["--config", str(CONFIG)])


def test_every_command_takes_the_options_it_is_given(started: list[tuple[str, ...]],
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    parse = argparse.ArgumentParser.parse_args

    def parsed(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None, _: Any = None) -> None:
        parse(parser, argv)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed)
    seen = set()
    for command in started:
        (place,) = [i for i, word in enumerate(command) if word.startswith(f"{commands.PACKAGE}.")]
        main = importlib.import_module(command[place]).main
        with pytest.raises(Parsed):
            main(command[place + 1:])
        seen.add(command[place].rpartition(".")[2])
    assert seen == set(NAMES)


def test_no_other_module_starts_a_command_by_its_name() -> None:
    sources = [path for path in sorted((ROOT / "stxfer").rglob("*.py"))
               if path.parent.name != "bin" and path.name != "commands.py"]
    found = [f"{path}:{node.lineno}: {node.value}" for path in sources
             for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("stxfer.bin")]
    assert not found
