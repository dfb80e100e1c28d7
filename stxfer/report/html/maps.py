"""Pictures of what systems listen to when they write some utterances: attention and CTC, as images within the page."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stxfer.audio.ark import read_places
from stxfer.decoding.decode import load_features
from stxfer.experiment.layout import DURATIONS, FEATS, MODEL, decode_dir, features_dir, system_dir
from stxfer.kaldi.table import read_table
from stxfer.report.html.charts import nice_ticks
from stxfer.report.html.utterances import evenly
from stxfer.report.runs import Run

ROW, WIDTH, LABELS = 13, 330, 90  # of a picture, in pixels
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Map:
    """A picture: rows of tokens, and time to the right.

    Attributes:
        title: ``direct: attention``.
        image: PNG as an address.
        rows: the tokens.
        ticks: place in pixels and seconds.
    """

    title: str
    image: str
    rows: tuple[str, ...]
    ticks: tuple[tuple[float, str], ...]

    @property
    def height(self) -> int:
        """Of the image, in pixels."""
        return ROW * len(self.rows)


@dataclass(frozen=True)
class Utterance:
    """An utterance with the pictures of all systems."""

    name: str
    reference: str
    maps: tuple[Map, ...]


def utterance_maps(runs: Mapping[str, Sequence[Run]], dump: Path, exp: Path, count: int) -> list[Utterance]:
    """Return pictures of ``count`` utterances, at even distances, for each system; of several seeds the first.

    Systems that decode in several ways are shown in the first. Whisper and imported systems are left out: what they
    attend to is not this package's to see.

    Args:
        runs: of one test set, by system.
        dump, exp: directories of features, and of models.
        count: how many utterances.
    """
    first = {of_system[0].system.name: of_system[0] for of_system in reversed([*runs.values()])
             if (system_dir(exp, of_system[0].system.name, of_system[0].seed) / MODEL).exists()
             and of_system[0].system.whisper is None} if count else {}
    found: dict[str, list[Map]] = {}
    references: dict[str, str] = {}
    for run in reversed([*first.values()]):
        log.info("pictures of %s", run.name)
        for utt, reference, maps in _of_system(run, dump, exp, count):
            references[utt] = reference
            found.setdefault(utt, []).extend(maps)
    return [Utterance(utt, references[utt], tuple(maps)) for utt, maps in found.items()]


def _of_system(run: Run, dump: Path, exp: Path, count: int) -> list[tuple[str, str, list[Map]]]:
    from stxfer.decoding.maps import token_maps
    from stxfer.model.load import load_model

    data = features_dir(dump, run.score["set"])
    loaded = load_model(system_dir(exp, run.system.name, run.seed))
    index = {token: number for number, token in enumerate(loaded.tokens)}
    places = read_places(data / FEATS)
    pieces = read_table(decode_dir(exp, run.system, run.seed, run.decoded.variant) / "token")
    seconds = read_table(data / DURATIONS) if (data / DURATIONS).exists() else {}
    made = []
    for number in evenly(len(run.utts), count):
        utt = run.utts[number]["utt"]
        tokens = [token for token in pieces.get(utt, "").split() if token in index]
        if utt not in places or not tokens:
            continue
        maps = token_maps(loaded.model, utt, load_features(utt, places[utt], data / FEATS),
                          [index[token] for token in tokens])
        length = float(seconds.get(utt, 0))
        pictures = [_picture(f"{run.system.name}: {what}", values, rows, length) for what, values, rows in
                    (("attention", maps.attention, tokens), ("CTC", maps.ctc, [*tokens, "(blank)"]))
                    if values is not None]
        made.append((utt, run.utts[number]["ref"], pictures))
    return made


def _picture(title: str, values: NDArray[np.float32], rows: Sequence[str], seconds: float) -> Map:
    ticks = [tick for tick in nice_ticks(0, seconds, most=5) if tick <= seconds] if seconds else []
    return Map(title, png(values), tuple(rows), tuple((WIDTH * tick / seconds, f"{tick:g}") for tick in ticks))


def png(values: NDArray[np.float32]) -> str:
    """Return values between 0 and 1 as the address of a PNG: the larger, the darker, white to blue."""
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, np.sqrt(np.clip(values, 0, 1)), cmap="Blues", vmin=0, vmax=1, format="png",
           metadata={"Software": "stxfer"})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
