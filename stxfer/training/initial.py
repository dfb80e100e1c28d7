"""The complete parameters that a phase starts from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from stxfer.core.errors import ConfigError, TransferError
from stxfer.core.fileio import write_json
from stxfer.decoding.search.step import check_step
from stxfer.experiment.layout import TRANSFER, parameters
from stxfer.experiment.training import Phase
from stxfer.model.build import build_model
from stxfer.model.config import read_config
from stxfer.model.pack import opened
from stxfer.model.saves import atomic_saves
from stxfer.model.transfer import load_state, transfer
from stxfer.training.spec import Fit, Start


def write_initial(spec: Fit, config: Mapping[str, Any], previous: Path | None, path: Path) -> None:
    """Write the parameters that a phase starts from, and say what was transferred.

    Args:
        spec: what is trained.
        config: the phase's model, as ESPnet's configuration.
        previous: result of the phase before; without one, ``spec.init`` is transferred.
        path: file to write; ``transfer.json`` lies in ``spec.out``.

    Raises:
        ConfigError: a part to freeze is not in the model, or the search has no step for the decoder.
        DataError: the model to start from is not trained.
        TransferError: its parameters do not fit.
    """
    torch.manual_seed(spec.seed)
    model: Any = build_model(spec.task, config)
    _check_frozen(model, spec.phases)
    if getattr(model, "decoder", None) is not None:
        check_step(model.decoder)
    report = None
    if previous is not None:
        name = f"{spec.out.resolve().parent.name} {previous.parent.name}"
        report = transfer(model, load_state(previous), ["all"], source=name,
                          vocabularies=(spec.target.tokens, spec.target.tokens))
    elif spec.init is not None:
        start = spec.init
        with opened(start.model) as directory:
            theirs, state = read_config(directory), load_state(parameters(directory))
        _check_same_frontend(start, theirs, config)
        report = transfer(model, state, start.parts, policy=start.vocabulary,
                          source=f"{start.model.parent.name}/{start.model.name}",
                          vocabularies=(theirs["token_list"], spec.target.tokens))
        write_json(spec.out / TRANSFER, report.to_json())
    with atomic_saves():
        torch.save(model.state_dict(), path)
    if report is not None:
        print(report.summary(), flush=True)


def _check_same_frontend(start: Start, their_config: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Raise TransferError where what was learnt on top of one pretrained encoder would be put on another."""
    if not {"encoder", "all"} & set(start.parts):
        return
    theirs, ours = (config.get("frontend_conf") or {} for config in (their_config, config))
    if theirs.get("digest") != ours.get("digest"):
        raise TransferError(f"{start.model}: its encoder begins with {theirs.get('model', 'no pretrained one')}, here "
                            f"with {ours.get('model', 'none')}: what it has learnt does not fit; use the same files, "
                            "or leave 'encoder' out of init.parts")


def _check_frozen(model: torch.nn.Module, phases: Iterable[Phase]) -> None:
    """Raise ConfigError for a name to freeze that is no part of the model: ESPnet would freeze nothing, unsaid."""
    modules = {name for name, module in model.named_modules() if any(True for _ in module.parameters())}
    for name in (name for phase in phases for name in phase.freeze):
        if name not in modules:
            raise ConfigError(f"freeze: the model has no part {name!r}; it has "
                              f"{' '.join(sorted(name for name in modules if name and '.' not in name))}")
