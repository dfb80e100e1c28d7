"""Training a decoder on the outputs of a frozen encoder, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stxfer.audio.ark import read_places, write_matrix
from stxfer.core.devices import device
from stxfer.core.errors import DataError, first_line
from stxfer.core.fileio import atomic_dir
from stxfer.core.progress import Progress
from stxfer.core.workdir import WorkDir
from stxfer.decoding.decode import batches, load_features
from stxfer.experiment.layout import FEATS
from stxfer.kaldi.table import read_table, write_table
from stxfer.model.espnet_layers import TooShortUttError


def encode_corpus(model: Any, corpora: Mapping[str, tuple[Path, Path]], out: Path,
                  batch_frames: int) -> dict[str, Path]:
    """Write the encoder's outputs for some sets, ``out/<name>/feats.{ark,scp}``, unless they are there.

    Args:
        model: an ``ESPnetASRModel``; it is left in eval mode, on a GPU where there is one.
        corpora: name to ``feats.scp`` and to a shape file, ``utt T[,D]``, whose utterances are encoded.
        out: directory; it takes 4 bytes a value.
        batch_frames: padded frames encoded at once.

    Returns:
        Name to table of outputs, float32 (T', D') for each utterance.

    Raises:
        DataError: features cannot be read, or do not fit the model.
    """
    tables = {name: out / name / FEATS for name in corpora}
    if out.exists():
        return tables
    stored = WorkDir.of(out).stored
    model.to(device()).eval()
    with atomic_dir(out) as made:
        for name, (feats_scp, shapes) in corpora.items():
            paths = read_places(feats_scp)
            frames = {utt: int(shape.partition(",")[0]) for utt, shape in read_table(shapes).items()}
            (made / name).mkdir()
            offsets: dict[str, str] = {}
            progress = Progress(f"encoder outputs of {name}", len(frames))
            with (made / name / "feats.ark").open("wb") as handle:
                for batch in batches(frames, batch_frames):
                    features = {utt: load_features(utt, paths[utt], feats_scp) for utt in batch}
                    for utt, values in zip(batch, _encode(model, features), strict=True):
                        offset = write_matrix(handle, utt, values.numpy(), "none")
                        offsets[utt] = f"{stored(out / name / 'feats.ark')}:{offset}"
                    progress.add(len(batch))
            write_table(made / name / FEATS, offsets)
    return tables


@torch.no_grad()
def _encode(model: Any, features: Mapping[str, np.ndarray]) -> list[torch.Tensor]:
    place = next(model.parameters()).device
    lengths = torch.tensor([len(values) for values in features.values()], device=place)
    speech = torch.nn.utils.rnn.pad_sequence([torch.tensor(values) for values in features.values()], batch_first=True)
    try:
        encoded, lens = model.encode(speech.to(place), lengths)
    except (RuntimeError, TooShortUttError) as error:
        raise DataError(f"utterance {next(iter(features))!r} and {len(features) - 1} more: the encoder cannot take "
                        f"them: {first_line(error)}") from None
    return [values[:length].float().cpu() for values, length in zip(encoded, lens.tolist(), strict=True)]
