"""Strict transfer of parameters by named parts: what was asked for is loaded, or it is an error.

ESPnet's ``--init_param`` loads nothing when a key is wrong and says nothing. Here every tensor of
the new model is accounted for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from stxfer.core.errors import TransferError, first_line

SPECIAL = frozenset({"<blank>", "<unk>", "<sos/eos>"})  # in every vocabulary
VOCABULARY_TENSORS = ("decoder.embed.", "decoder.output_layer.", "ctc.")


@dataclass(frozen=True)
class TensorReport:
    """What became of one tensor of the new model; ``numbers`` of its numbers were loaded."""

    name: str
    shape: tuple[int, ...]
    loaded: bool
    reason: str
    numbers: int


@dataclass(frozen=True)
class TransferReport:
    """What a transfer loaded.

    ``share`` is the share of the new model's parameters (numbers, not tensors) that were loaded.
    """

    source: str
    parts: tuple[str, ...]
    tensors: tuple[TensorReport, ...]

    @property
    def share(self) -> float:
        """The share of the model's parameters that were loaded."""
        total = sum(_count(t.shape) for t in self.tensors)
        return sum(t.numbers for t in self.tensors) / max(1, total)

    def summary(self) -> str:
        """Return one line a module: how many tensors and parameters were loaded, or why not."""
        lines = [f"transfer from {self.source}, parts {' '.join(self.parts)}: "
                 f"{sum(t.loaded for t in self.tensors)}/{len(self.tensors)} tensors, "
                 f"{100 * self.share:.1f} % of the parameters"]
        groups: dict[tuple[str, bool, str], list[TensorReport]] = {}
        for tensor in self.tensors:
            module = ".".join(tensor.name.split(".")[:2])
            groups.setdefault((module, tensor.loaded, tensor.reason), []).append(tensor)
        for (module, loaded, reason), tensors in groups.items():
            count = sum(_count(t.shape) for t in tensors)
            lines.append(f"  {'loaded' if loaded else 'new':7}{module:26}{len(tensors):4} tensors {count:10,} "
                         f"parameters  {reason}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-able data."""
        return {"source": self.source, "parts": list(self.parts), "share": self.share,
                "tensors": [asdict(t) for t in self.tensors]}


def transfer(model: torch.nn.Module, state: Mapping[str, torch.Tensor], parts: Sequence[str], *, source: str,
             vocabularies: tuple[Sequence[str], Sequence[str]], policy: str = "same") -> TransferReport:
    """Copy the tensors of ``parts`` from ``state`` into ``model``, in place.

    Embedding, output layer and CTC hold a row for each piece of a vocabulary. With ``same`` both models must have
    one vocabulary for these to be transferred; ``map`` copies the rows of the pieces that both have and leaves the
    others as they were initialised; ``reinit`` leaves all rows.

    Args:
        model: the new model, freshly initialised.
        state: the source model's state dict.
        parts: of ``encoder`` (with what stands before it, a pretrained encoder or the weighted sum of its layers),
            ``decoder``, ``decoder_body`` (without embedding and output layer), ``ctc``, ``all``.
        source: how the report calls the source.
        vocabularies: the pieces of the source and of the new model, in the order of their ids.
        policy: ``same``, ``map`` or ``reinit``.

    Raises:
        TransferError: a tensor asked for is absent or has another shape, the vocabularies differ under ``same`` or
            share no ordinary piece under ``map``, or nothing would be loaded.
    """
    theirs, ours = vocabularies
    same = list(theirs) == list(ours)
    rows = shared_rows(theirs, ours)
    own = model.state_dict()
    loaded: dict[str, torch.Tensor] = {}
    reports = []
    no_ctc = not any(name.startswith("ctc.") for name in state)
    for name, tensor in own.items():
        part = _part_of(name, parts)
        reason, numbers = f"part {part}", tensor.numel()
        of_vocabulary = name.startswith(VOCABULARY_TENSORS) and tensor.shape[:1] == (len(ours),)
        if part is None:
            reason = "not among the parts asked for"
        elif part == "all" and name.startswith("ctc.") and no_ctc:
            part, reason = None, "the source has no CTC branch"
        elif of_vocabulary and not same and policy == "reinit":
            part, reason = None, "a row for each piece of another vocabulary; policy reinit"
        elif of_vocabulary and not same and policy == "same":
            raise TransferError(f"{source}: {name} has a row for each piece of another vocabulary ({_named(theirs)}; "
                                f"here {_named(ours)}; {len(rows)} pieces in both); share the vocabulary, transfer "
                                "'decoder_body' instead of 'decoder' or 'all', or set init.vocabulary: map or reinit")
        elif name not in state:
            raise TransferError(f"{source}: has no tensor {name}, which part '{part}' needs; "
                                "do both models have the same configuration?")
        elif of_vocabulary and not same:
            if state[name].shape[1:] != tensor.shape[1:] or len(state[name]) != len(theirs):
                raise TransferError(_other_shape(source, name, state[name], tensor))
            if not set(rows) - SPECIAL:
                raise TransferError(f"{source}: no piece of its vocabulary ({_named(theirs)}) is in the new one "
                                    f"({_named(ours)}): there is nothing to map; use init.vocabulary: reinit")
            mapped = tensor.clone()
            there, here = zip(*rows.values(), strict=True)
            mapped[list(here)] = state[name][list(there)].to(tensor)
            loaded[name] = mapped
            numbers = len(rows) * (tensor.numel() // max(1, len(ours)))
            reason = f"part {part}: rows of the {len(rows)} pieces in both vocabularies, of {len(ours)}"
        elif state[name].shape != tensor.shape:
            raise TransferError(_other_shape(source, name, state[name], tensor))
        else:
            loaded[name] = state[name]
        reports.append(TensorReport(name, tuple(tensor.shape), part is not None, reason, numbers if part else 0))
    for part in parts or ("none",):
        if not any(_part_of(name, [part]) for name in loaded):
            raise TransferError(f"{source}: no tensor belongs to part '{part}': nothing would be transferred")
    model.load_state_dict({**own, **loaded}, strict=True)
    return TransferReport(source, tuple(parts), tuple(reports))


def shared_rows(theirs: Sequence[str], ours: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return the pieces in both vocabularies, each with its row there and here."""
    there = {piece: row for row, piece in enumerate(theirs)}
    return {piece: (there[piece], row) for row, piece in enumerate(ours) if piece in there}


def fingerprint(pieces: Sequence[str]) -> str:
    """Return 12 hexadecimal digits that stand for a vocabulary: its pieces in the order of their ids."""
    return hashlib.sha256("\n".join(pieces).encode()).hexdigest()[:12]


def _named(pieces: Sequence[str]) -> str:
    return f"{len(pieces)} pieces, fingerprint {fingerprint(pieces)}"


def _other_shape(source: str, name: str, there: torch.Tensor, here: torch.Tensor) -> str:
    return (f"{source}: {name} is {tuple(there.shape)} there and {tuple(here.shape)} here; both models must have "
            "the same configuration")


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """Load a state dict without running code from it.

    Raises:
        TransferError: the file is absent or is not a plain state dict (a trainer's checkpoint.pth, say).
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise TransferError(f"{path}: no such model; train the system it belongs to first") from None
    except Exception as error:  # torch raises several kinds for damaged or unsafe files
        raise TransferError(f"{path}: cannot be read as model parameters: {first_line(error)}") from None
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise TransferError(f"{path}: not a model's parameters (a trainer's checkpoint? give the model file)")
    return state


def _part_of(name: str, parts: Sequence[str]) -> str | None:
    if "all" in parts:
        return "all"
    if name.startswith(("encoder.", "frontend.")) and "encoder" in parts:  # what it hears
        return "encoder"
    if name.startswith("decoder."):
        if "decoder" in parts:
            return "decoder"
        if "decoder_body" in parts and not name.startswith(VOCABULARY_TENSORS):
            return "decoder_body"
    if name.startswith("ctc.") and "ctc" in parts:
        return "ctc"
    return None


def _count(shape: Sequence[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
