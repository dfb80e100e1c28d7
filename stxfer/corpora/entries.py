"""What every corpus is read into: its utterances, before their audio is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stxfer.corpora.parts import Doubt


@dataclass(frozen=True, slots=True)
class Entry:
    """One utterance of a corpus.

    Attributes:
        utt: its id, without white space.
        audio: path of the file.
        text: transcript; runs of white space become one space.
        speaker: without white space.
        start: seconds into the file.
        end: seconds into the file; None: its end.
        texts: further texts by file name, ``text.<lang>.<label>``.
        seconds: the file's duration where the corpus tells it: the file is known to exist and is not opened, unless a
            channel is named.
        table: the file that it is a row of, for messages.
        line: of that file.
        channel: which one is taken, counted from 0; None: all, averaged.
        doubt: what of start, end and channel the file is to settle.
    """

    utt: str
    audio: str
    text: str
    speaker: str
    start: float = 0.0
    end: float | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    table: str = ""
    line: int = 0
    channel: int | None = None
    doubt: Doubt | None = None
