"""What systems were trained and decoded on, as far as the last digits depend on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stxfer.core.errors import DataError
from stxfer.core.marker import read_marker

_VERBS = {"training": "trained", "decoding": "decoded"}


def computed_facts(training: Iterable[tuple[str, Path]], decoding: Iterable[tuple[str, Path]]
                   ) -> dict[str, list[dict[str, Any]]]:
    """Return what ``results.json`` says of it: by ``training`` and ``decoding``, where and with what, and which runs.

    Args:
        training: runs, as messages call them, and the directories of their models.
        decoding: the same, of their hypotheses.

    Returns:
        Items of ``on``, see :func:`stxfer.core.threads.computed_on`, with ``processes`` that trained together, and
        ``runs``. What older versions have made has recorded nothing and is left out.
    """
    return {what: _grouped(directories) for what, directories in (("training", training), ("decoding", decoding))}


def _grouped(directories: Iterable[tuple[str, Path]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, directory in directories:
        try:
            on = read_marker(directory).get("computed")
        except DataError:
            continue
        if not on:
            continue
        group = next((group for group in found if group["on"] == on), None)
        if group is None:
            found.append({"on": on, "runs": [name]})
        elif name not in group["runs"]:
            group["runs"].append(name)
    return found


def computed_lines(facts: Mapping[str, Sequence[Mapping[str, Any]]], mark: str = "`") -> Iterator[str]:
    """Yield a line for each device and number of threads and processes, with the runs where there are several.

    ``mark`` stands around the device: by default that of code in Markdown.
    """
    for what, groups in facts.items():
        for group in groups:
            on = dict(group["on"])
            processes = on.pop("processes", 1)
            threads = on.pop("threads", 1)
            place = ", ".join([str(on.pop("device", "?")), f"{threads} thread{'s' * (threads > 1)} a process",
                               *(f"{name} {value}" for name, value in on.items()),
                               *([f"--processes {processes}"] if processes > 1 else [])])
            runs = f" ({', '.join(group['runs'])})" if len(groups) > 1 else ""
            yield f"{_VERBS[what]} on: {mark}{place}{mark}{runs}"


def cluster_lines(used: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each stage that ran on a cluster: see :func:`stxfer.cluster.accounting.used_by_stage`."""
    for step, of in used.items():
        yield f"{step} on the cluster: {of['jobs']} job{'s' * (of['jobs'] > 1)}, {of['hours']:.2f} h in all, " \
              f"{of['memory_mib'] / 1024:.2f} GiB at most"
