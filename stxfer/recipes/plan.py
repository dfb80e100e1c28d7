"""What a run of a recipe would do, stage by stage: what is there, what is made, made again, or refused, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stxfer.core.errors import StxferError
from stxfer.core.fresh import check_input
from stxfer.core.marker import MARKER, read_marker
from stxfer.core.workdir import WorkDir
from stxfer.experiment import layout
from stxfer.experiment.config import Experiment
from stxfer.experiment.lineage import Lineage
from stxfer.experiment.translators import Trained
from stxfer.mt.labels import SETS as LABELLED
from stxfer.score.reference import has_reference

STAGES = ("data", "prepare", "features", "mt", "labels", "vocab", "lm", "source_asr", "st", "target_asr", "decode",
          "score", "report")
EXPENSIVE = ("mt", "lm", "source_asr", "st", "target_asr")  # finished work is refused, not done again
DONE, TO_DO, RESUME, AGAIN, PERHAPS, REFUSED = "done", "to do", "go on", "again", "again?", "refused"


@dataclass(frozen=True)
class Item:
    """One thing that a stage makes.

    Attributes:
        stage: the stage's name.
        name: how messages call it.
        path: its directory.
        state: one of ``DONE TO_DO RESUME AGAIN PERHAPS REFUSED``.
        why: of ``AGAIN``, ``PERHAPS`` and ``REFUSED``.
    """

    stage: str
    name: str
    path: Path
    state: str
    why: str = ""


def plan(experiment: Experiment, dump: Path, exp: Path, *, stages: Sequence[str] = STAGES,
         systems: Sequence[str] = (), seeds: Sequence[int] = (), force: bool = False, allow_stale: bool = False
         ) -> list[Item]:
    """Return what there is to make, in the order of the stages. Nothing is written.

    Args:
        experiment: the experiment.
        dump, exp: where prepared data and models are; raw data lies beside ``dump``.
        stages: those that would run.
        systems, seeds: those asked for; none: all.
        force, allow_stale: see :class:`stxfer.core.stage.Stage`.
    """
    lineage = Lineage(experiment, dump, exp)
    remade: dict[Path, str] = {}  # directories that will be written
    items = []
    for stage, name, path in expected(experiment, dump, exp, systems, seeds):
        if stage not in stages:
            continue
        state, why = _state(stage, path, lineage, remade, force=force, allow_stale=allow_stale)
        if state != DONE:
            remade[path.absolute()] = name
        items.append(Item(stage, name, path, state, why))
    return items


def expected(experiment: Experiment, dump: Path, exp: Path, systems: Sequence[str] = (), seeds: Sequence[int] = ()
             ) -> Iterator[tuple[str, str, Path]]:
    """Yield what the stages of an experiment make, each with its stage, its name and its directory."""
    chosen = experiment.select(systems)
    sets = sets_of(experiment, systems)
    numbers = seeds or experiment.seeds
    translators = [label for label, of in experiment.labels.items() if isinstance(of.options, Trained)]
    texts = [text for vocab in experiment.vocab.values() for text in vocab.text]
    if translators or any(text.partition(".")[0] == "bitext" for text in texts):
        sets.append("bitext")
    raw = layout.beside(dump, layout.DATA)
    for name in sets:
        yield "data", name, raw / name
    for name in sets:
        yield "prepare", name, layout.prepared_dir(dump, name)
    for name in (name for name in sets if name != "bitext"):
        yield "features", name, layout.features_dir(dump, name)
    for label in translators:
        yield "mt", label, layout.mt_dir(exp, label)
    for label in experiment.labels:
        for name in LABELLED:
            yield "labels", f"{label} {name}", layout.label_dir(dump, label, name)
    for name in experiment.vocab:
        yield "vocab", name, layout.vocab_dir(dump, name)
    for name in experiment.lm:
        yield "lm", name, layout.lm_dir(exp, name)
    for system in sorted(chosen, key=lambda system: STAGES.index(system.step)):
        for seed in numbers:
            yield system.step, f"{system.name} seed {seed}", layout.system_dir(exp, system.name, seed)
    ways = [(way, seed) for way in experiment.select_decoded(systems) for seed in numbers
            if way.system.task != "text" and (has_reference(experiment, way.system, dump) or
                                              not layout.features_dir(dump, way.system.test_set).exists())]
    for way, seed in ways:
        yield "decode", f"{way.name} seed {seed}", layout.decode_dir(exp, way.system, seed, way.variant)
    for way, seed in ways:
        yield "score", f"{way.name} seed {seed}", layout.score_dir(exp, way.system, seed, way.variant)
    yield "report", "report", layout.report_dir(exp)


def sets_of(experiment: Experiment, systems: Sequence[str] = ()) -> list[str]:
    """Return the sets that systems learn from, are judged by and tested on."""
    found: dict[str, None] = {}
    for system in experiment.select(systems):
        for name in (system.data, *(part.data for part in system.mix), system.dev_set, system.test_set):
            found.setdefault(name)
    return list(found)


def _state(stage: str, path: Path, lineage: Callable[..., list[str]], remade: dict[Path, str], *, force: bool,
           allow_stale: bool) -> tuple[str, str]:
    if not (path / MARKER).exists():
        return (RESUME if (path / layout.BEGUN).exists() else TO_DO), ""
    if force:
        return AGAIN, "--force"
    try:
        if sources := sorted({remade[directory] for directory in _made_from(path) if directory in remade}):
            refused = "refused without --force" if stage in EXPENSIVE else "done again"
            return PERHAPS, f"{refused} if what is made before comes out otherwise, such as {sources[0]}"
        check_input(path, None if allow_stale else lineage)
    except StxferError as error:
        if allow_stale and stage in EXPENSIVE:
            return DONE, ""
        return (REFUSED if stage in EXPENSIVE else AGAIN), str(error)
    return DONE, ""


def _made_from(path: Path, seen: set[Path] | None = None) -> set[Path]:
    """Return the directories of stages that a directory was made from, however far back."""
    seen = set() if seen is None else seen
    for source in read_marker(path)["inputs"]:
        place = Path(WorkDir.of(path).located(source)).absolute()
        directory = place if place.is_dir() else place.parent
        if directory not in seen:
            seen.add(directory)
            if (directory / MARKER).exists():
                _made_from(directory, seen)
    return seen


def lines(items: Iterable[Item]) -> Iterator[str]:
    """Yield the lines that tell a person, one for each stage and state."""
    by_stage: dict[str, list[Item]] = {}
    for item in items:
        by_stage.setdefault(item.stage, []).append(item)
    for stage, some in by_stage.items():
        number = STAGES.index(stage) + 1
        for state in (DONE, RESUME, TO_DO, AGAIN, PERHAPS, REFUSED):
            whys = list(dict.fromkeys(item.why for item in some if item.state == state))
            for why in whys[:1] if state == PERHAPS else whys:
                names = [item.name for item in some if item.state == state and (item.why == why or state == PERHAPS)]
                shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
                yield f"{number:2d} {stage:10}  {state:7}  {shown}{f': {why}' if why else ''}"
