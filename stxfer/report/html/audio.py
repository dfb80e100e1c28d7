"""Where a page finds the audio of utterances: in the work directory, by a relative link, or within itself."""

from __future__ import annotations

import base64
import io
import logging
import os
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import soundfile

from stxfer.audio.io import SAMPLE_RATE, load_audio
from stxfer.core.errors import DataError
from stxfer.experiment.layout import prepared_dir
from stxfer.kaldi.datadir import Audio, DataDir, read_datadir

log = logging.getLogger(__name__)
FORMATS = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"}  # which browsers play


class Recordings:
    """The audio of prepared sets.

    Args:
        dump: directory of the prepared sets.
        page: directory that the page lies in; links are relative to it.
        embedded: utterances whose audio is to be within the page.
    """

    def __init__(self, dump: Path, page: Path, embedded: Collection[tuple[str, str]] = ()) -> None:
        self._dump, self._page, self._embedded = dump, page, embedded
        self._sets: dict[str, DataDir | None] = {}
        self._there: dict[str, bool] = {}

    def address(self, name: str, utt: str) -> str:
        """Return the address of an utterance's audio, empty where there is none that a browser plays."""
        data = self._set(name)
        if data is None or utt not in (data.segments or data.wav_scp):
            return ""
        audio = data.audio(utt)
        if not self._exists(audio.path):
            return ""
        if (name, utt) in self._embedded:
            return _embedded(audio)
        if Path(audio.path).suffix.lower() not in FORMATS:
            return ""
        end = "" if audio.end is None else f",{audio.end:g}"
        part = f"#t={audio.start:g}{end}" if audio.start or end else ""
        return quote(os.path.relpath(audio.path, self._root)) + part

    @cached_property
    def _root(self) -> str:
        return os.path.abspath(self._page)

    def _set(self, name: str) -> DataDir | None:
        if name not in self._sets:
            path = prepared_dir(self._dump, name)
            self._sets[name] = read_datadir(path) if (path / "wav.scp").exists() else None
        return self._sets[name]

    def _exists(self, path: str) -> bool:
        if path not in self._there:
            self._there[path] = Path(path).is_file()
        return self._there[path]


def _embedded(audio: Audio) -> str:
    """Return audio as an address that holds it: MP3, which every browser plays, 8 kB for two seconds."""
    try:
        samples = load_audio(audio.path, speed=audio.speed, start=audio.start, end=audio.end, channel=audio.channel)
    except DataError as error:
        log.warning("audio that is not in the page: %s", error)
        return ""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE, format="MP3")
    return "data:audio/mpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
