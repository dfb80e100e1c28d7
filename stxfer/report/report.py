"""The report: RESULTS.md, report.html, results.json and report.png of an experiment."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write, read_json, write_json
from stxfer.core.marker import is_expected, read_marker
from stxfer.core.records import read_record
from stxfer.core.stage import Stage
from stxfer.experiment.config import Experiment
from stxfer.experiment.layout import (
    LEAKS,
    decode_dir,
    imported_files,
    mt_scores,
    prepared_dir,
    report_dir,
    system_dir,
)
from stxfer.experiment.lineage import Lineage
from stxfer.experiment.records import Leaks
from stxfer.report.comparisons import headline_metric
from stxfer.report.html.build import html_page
from stxfer.report.html.sources import find_sources
from stxfer.report.markdown import markdown
from stxfer.report.materials import find_materials
from stxfer.report.plot import plot_report
from stxfer.report.results import collect_results
from stxfer.report.runs import Run, read_runs, trained_runs, unscorable
from stxfer.score.imported import with_imported

FILES = ("RESULTS.md", "results.json", "report.png", "report.html")
N_SAMPLES = 5
UTTERANCES = 2000  # of a test set that the page has at most; 20 systems of 10 words are 3 MB


@dataclass(frozen=True)
class Report:
    """Where the report lies, and what its ``results.json`` holds."""

    path: Path
    results: dict[str, Any]


def make_report(experiment: Experiment, dump: Path, expdir: Path, *, config: str, command: str,
                systems: Sequence[str] = (), seeds: Sequence[int] = (), utterances: int = UTTERANCES,
                embed_audio: int = 0, pictures: int = 0, force: bool = False, allow_stale: bool = False) -> Report:
    """Write ``expdir/report`` from the scores of all systems, unless that is done.

    Args:
        dump: tells which systems have no reference, and what training shares with dev and test.
        config, command: shown under "how to reproduce it".
        systems, seeds: what must be in it; none: everything that the config declares.
        utterances, embed_audio, pictures: see :func:`stxfer.report.html.build.html_page`.

    Raises:
        DataError: a requested system is not scored, or no target system is.
        StaleError: scores were made from something that has changed since.
    """
    lineage = Lineage(experiment, dump, expdir)
    experiment = with_imported(experiment, expdir)
    unscored = unscorable(experiment, dump)
    runs = read_runs(experiment, expdir, systems=systems, seeds=seeds, unscored=unscored, declared=lineage,
                     allow_stale=allow_stale)
    targets = {name: of_system for name, of_system in runs.items() if of_system[0].system.kind == "target"}
    if not targets:
        raise DataError(f"{expdir}: no target system is scored; a report needs at least one. "
                        "Run stages target_asr to score: --stage target_asr --stop-stage score")
    out = report_dir(expdir)
    everything = [run for of_system in runs.values() for run in of_system]
    used = {name: [run.seed for run in of_system] for name, of_system in runs.items()}
    trained = trained_runs(experiment, expdir, runs, unscored)
    of_training = [decode_dir(expdir, way.system, seed, way.variant) if way.name in runs else
                   system_dir(expdir, way.name, seed) for way, seed in trained]
    materials = find_materials(experiment, [way.system for way, _ in trained],
                               [of_system[0].decoded for of_system in targets.values()], dump, expdir)
    sources = find_sources(materials.labels, dict.fromkeys(run.score["set"] for run in everything), dump)
    leaks = prepared_dir(dump) / LEAKS
    found = [leaks] if is_expected(leaks) else []
    imported = [path for of_system in imported_files(expdir).values() for path in of_system]
    stage = Stage("report", out, inputs=[*(run.path for run in everything), *of_training,
                                         *mt_scores(expdir).values(), *materials.files(), *sources.files(), *imported,
                                         *found],
                  options={"name": experiment.name, "systems": used, "unscored": unscored,
                           "trained": [[way.name, seed] for way, seed in trained],
                           "compare": [list(p) for p in experiment.compare], "config": config, "command": command,
                           "utterances": utterances, "embed_audio": embed_audio, "pictures": pictures},
                  step="report", declared=lineage)
    if not stage.needed(force=force, allow_stale=allow_stale):
        return Report(out, read_json(out / "results.json"))
    results = collect_results(experiment, expdir, runs, unscored, materials)
    results["leaks"] = read_record(leaks, Leaks) if found else None
    how = [("command", command), ("config", config), *([("commit", results["commit"])] if results["commit"] else []),
           ("seeds", " ".join(map(str, sorted({seed for of_system in used.values() for seed in of_system}))))]
    accented = through_st(experiment) & targets.keys()
    plot_report(out / "report.png", results, through_st=accented)
    with atomic_write(out / "RESULTS.md") as handle:
        handle.write(markdown(experiment, results, samples(targets), how))
    page = html_page(experiment, results, runs, sources, dump, expdir, out, how=how, through_st=accented,
                     utterances=utterances, embedded_audio=embed_audio, pictures=pictures)
    with atomic_write(out / "report.html") as handle:
        handle.write(page)
    write_json(out / "results.json", results)
    stage.finish([out / name for name in FILES])
    return Report(out, results)


def recorded_command(expdir: Path) -> str:
    """Return the command that the report of ``expdir`` says reproduces it; empty if there is no report."""
    with contextlib.suppress(DataError):
        return str(read_marker(report_dir(expdir))["options"].get("command", ""))
    return ""


def samples(runs: dict[str, list[Run]], count: int = N_SAMPLES) -> list[list[tuple[str, str]]]:
    """Return utterances at even distances, each as its (name, reference) and (system, errors and hypothesis).

    Of several seeds the first is shown.
    """
    first = [of_system[0] for of_system in runs.values()]
    n, metric = len(first[0].utts), headline_metric(first[0].score["metrics"])
    chosen = sorted({round(i * (n - 1) / max(1, count - 1)) for i in range(count)})
    return [[(first[0].utts[i]["utt"], ""), ("  REF", first[0].utts[i]["ref"]),
             *((f"  {run.name}", f"{run.utts[i]['hyp']}{_errors(run.utts[i][metric])}") for run in first)]
            for i in chosen]


def _errors(counts: dict[str, int]) -> str:
    errors = counts["sub"] + counts["del"] + counts["ins"]
    return f"   ({errors}/{counts['n_ref']})" if errors else "   (right)"


def through_st(experiment: Experiment) -> set[str]:
    """Return what starts, directly or through others, from a speech translation system, in every way of decoding."""
    found: set[str] = set()
    for system in experiment.order():
        source = system.parent
        if source is not None and (source in found or experiment.systems[source].task == "st"):
            found.add(system.name)
    return {name for name, decoded in experiment.decoded.items() if decoded.system.name in found}
