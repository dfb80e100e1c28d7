"""Options: what of them decides a result, old markers, and what a wrong value gives."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import pytest

from stxfer.core.errors import ConfigError
from stxfer.core.mistakes import LONGEST, nearest, shown
from stxfer.core.options import NoEffect, Options, Spread, differences, file_keys, identity, option_fields, options
from stxfer.core.stage import Stage
from stxfer.experiment.declared import Vocab
from stxfer.experiment.prepare import PrepareOptions
from stxfer.experiment.systems import Init, Mix, System
from stxfer.experiment.training import Decoding, MtDecoding, Phase

SYSTEM = System(name="multi", task="st", data="src_train", text="sw.human", tags=True, schedule="multi",
                init=Init(source="source_asr", parts=("encoder",)), mix=(Mix("src_train", "en", 0.5),))
PHASES = (Phase(epochs=3, lr=2e-3), Phase(freeze=("encoder",), tensorboard=True))


@options
class Older(Options):
    """Options as they were."""

    size: int = 1


@options
class Newer(Options):
    """The same after a field has come."""

    size: int = 1
    """How large."""
    shape: str = "round"
    """How formed."""
    watched: Annotated[bool, NoEffect] = False
    """For the log."""


def stage(tmp_path: Path, given: Any) -> Stage:
    return Stage("x", tmp_path / "x", [], given)


def finished(tmp_path: Path, given: Any) -> None:
    (tmp_path / "x").mkdir()
    made = stage(tmp_path, given)
    made.begin()
    made.finish([])


def test_markers_written_before_options_were_typed_are_up_to_date(tmp_path: Path) -> None:
    """They hold every field, those without an effect too, as ``dataclasses.asdict`` gives them."""
    finished(tmp_path, {"system": dataclasses.asdict(SYSTEM), "seed": 1, "model": {"encoder": "berard"},
                        "phases": [dataclasses.asdict(phase) for phase in PHASES]})
    now = {"system": SYSTEM, "seed": 1, "model": {"encoder": "berard"}, "phases": PHASES}
    assert stage(tmp_path, now).changes() == []
    quiet = (PHASES[0], dataclasses.replace(PHASES[1], tensorboard=False, dev_wer=100))
    renamed = dataclasses.replace(SYSTEM, schedule="other")
    assert stage(tmp_path, {**now, "phases": quiet, "system": renamed}).changes() == []
    chosen = tuple(dataclasses.replace(phase, criterion="wer", dev_wer=100) for phase in PHASES)
    changes = stage(tmp_path, {**now, "phases": chosen}).changes() or []
    assert "option phases[0].criterion ('accuracy' -> 'wer')" in changes
    faster = (dataclasses.replace(PHASES[0], lr=1.0), PHASES[1])
    assert stage(tmp_path, {**now, "phases": faster}).changes() == ["option phases[0].lr (0.002 -> 1.0)"]
    other = dataclasses.replace(SYSTEM, mix=(Mix("src_train", "en", 0.4),))
    assert stage(tmp_path, {**now, "system": other}).changes() == ["option system.mix[0].share (0.5 -> 0.4)"]
    assert stage(tmp_path, {**now, "phases": PHASES[:1]}).changes() == [
        "option phases (2 items -> 1 items)"]
    (change,) = stage(tmp_path, {**now, "system": dataclasses.replace(SYSTEM, init=None)}).changes() or []
    assert change.startswith("option system.init ({'source': 'source_asr', ") and change.endswith(" -> None)")


def test_utterances_decoded_for_the_log_count_once_word_errors_choose(tmp_path: Path) -> None:
    phase = Phase(criterion="wer", dev_wer=100)
    finished(tmp_path, {"phases": (phase,)})
    assert stage(tmp_path, {"phases": (phase,)}).changes() == []
    other = dataclasses.replace(phase, dev_wer=50)
    assert stage(tmp_path, {"phases": (other,)}).changes() == ["option phases[0].dev_wer (100 -> 50)"]
    assert "dev_wer" not in identity(Phase(dev_wer=100))


def test_a_new_field_with_its_default_changes_nothing(tmp_path: Path) -> None:
    finished(tmp_path, Older(3))
    assert stage(tmp_path, Newer(3)).changes() == [] == stage(tmp_path, Newer(3, watched=True)).changes()
    assert stage(tmp_path, Newer(3, "square")).changes() == ["option shape ('round' -> 'square')"]
    assert stage(tmp_path, Newer(2)).changes() == ["option size (3 -> 2)"]


def test_a_value_that_had_another_name_is_read_and_changes_nothing(tmp_path: Path) -> None:
    """The control of text was called lm."""
    file = {"task": "lm", "data": "src_train", "text": "sw.human"}
    control = System.read(file, "x.yaml")
    assert control.task == "text" == System.read({**file, "task": "text"}, "x.yaml").task and control.kind == "st"
    finished(tmp_path, {"system": {**dataclasses.asdict(control), "task": "lm"}})
    assert stage(tmp_path, {"system": control}).changes() == []
    other = dataclasses.replace(control, task="st")
    assert stage(tmp_path, {"system": other}).changes() == ["option system.task ('text' -> 'st')"]


def test_a_field_that_is_no_more_counts_if_it_was_on(tmp_path: Path) -> None:
    recorded = {"size": 1, "gone": False, "went": 7}
    assert list(differences(recorded, Older())) == ["went (7 -> no such option)"]


def test_options_beside_other_entries(tmp_path: Path) -> None:
    prepare = PrepareOptions("en", "sw", speed_perturb=(0.9, 1.1))
    old = {**dataclasses.asdict(prepare), "speed_perturb": [], "audio": "x", "leaks": ""}
    del old["max_drop"], old["max_shared_speakers"]
    now = Spread(prepare, {"speed_perturb": [], "audio": "x", "leaks": ""})
    finished(tmp_path, old)
    assert identity(now) == json.loads(json.dumps(old)) and stage(tmp_path, now).changes() == []
    older = {key: value for key, value in old.items() if key != "untranscribed"}
    changed = [differences(older, Spread(prepare, {**now.others, "untranscribed": on})) for on in (False, True)]
    assert list(map(list, changed)) == [[], ["untranscribed (False -> True)"]]
    other = Spread(dataclasses.replace(prepare, max_drop=0.5, min_rate=1), {**now.others, "audio": "y"})
    assert stage(tmp_path, other).changes() == ["option audio ('x' -> 'y')", "option min_rate (8000 -> 1)"]


def test_what_has_no_effect() -> None:
    """Whoever adds a field decides; these are all that do not count."""
    without = {cls.__name__: [name for name, field in option_fields(cls).items() if NoEffect in field.metadata]
               for cls in (Phase, Decoding, MtDecoding, System, Vocab, PrepareOptions)}
    assert without == {"Phase": ["dev_wer", "tensorboard"], "Decoding": ["batch_frames"], "MtDecoding": [],
                       "System": ["schedule", "test"], "Vocab": ["text"],
                       "PrepareOptions": ["max_drop", "max_shared_speakers"]}


def test_identities_are_json() -> None:
    for value in (SYSTEM, PHASES, Spread(Older(), {"more": (1, 2)})):
        assert json.loads(json.dumps(identity(value))) == identity(value)


def test_every_field_is_described() -> None:
    seen: set[type] = set()

    def subclasses(cls: type) -> None:
        for child in cls.__subclasses__():
            if child.__module__.startswith("stxfer.") and child not in seen:
                seen.add(child)
                subclasses(child)

    import stxfer.experiment.config  # noqa: F401

    subclasses(Options)
    assert len(seen) > 20
    missing = [f"{cls.__name__}.{name}" for cls in seen for name, field in option_fields(cls).items()
               if not field.description]
    assert missing == []


def test_options_made_in_code_are_checked_and_copied() -> None:
    with pytest.raises(ConfigError, match="^share: 3 must be at most 1$"):
        Mix("src_train", "en", 3)
    with pytest.raises(ConfigError, match="^lr: 0 must be more than 0$"):
        dataclasses.replace(PHASES[0], lr=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        PHASES[0].lr = 3.0  # type: ignore[misc]
    assert dataclasses.replace(PHASES[0], lr=3.0).epochs == 3
    assert dataclasses.asdict(SYSTEM)["mix"] == (
        {"data": "src_train", "text": "en", "share": 0.5, "by": "", "best": 1.0},)


def test_files_and_code_may_call_a_field_otherwise() -> None:
    assert file_keys(System)["vocab"] == "vocabulary" and "name" not in file_keys(System)
    read = System.read({"task": "asr", "data": "tgt_train", "text": "sw", "vocab": "joint"}, "x.yaml")
    assert read.vocabulary == "joint" == dataclasses.replace(read, text="en").vocabulary
    with pytest.raises(ConfigError, match="^x.yaml: a.b: unknown key 'vocabulary'"):
        System.read({"task": "asr", "data": "tgt_train", "text": "sw", "vocabulary": "joint"}, "x.yaml", ("a", "b"))


def test_values_are_shown_on_one_line_and_words_found() -> None:
    assert shown("a\nb") == "'a\\nb'" and len(shown("x" * 999)) == LONGEST
    assert shown(1 << 99999) == "a number of thousands of digits"
    assert nearest("encodr", ["decoder", "encoder"]) == "; did you mean 'encoder'?" and nearest("zz", ["encoder"]) == ""
    assert nearest(3, ["3"]) == ""
