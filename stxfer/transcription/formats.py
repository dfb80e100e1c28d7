"""Transcripts as text, TSV, JSON, subtitles and Kaldi's table."""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from stxfer.transcription.inputs import Source
from stxfer.transcription.recognise import Heard
from stxfer.transcription.transcriber import Segment, Transcript
from stxfer.transcription.words import Word

# A subtitle: two lines of at most 42 characters for at most 7 s, as is usual in television.
_LINE, _LINES, _SHOWN = 42, 2, 7.0


class Format(ABC):
    """A form of output, which is written while segments are heard.

    Attributes:
        suffix: of files.
        one: whether it holds a single source.
    """

    suffix: str
    one = False

    def head(self) -> str:
        """Return what comes before all."""
        return ""

    def segment(self, source: Source, segment: Segment, number: int) -> str:
        """Return what is written of a segment, the ``number``-th of its source that has a text, from 0."""
        return ""

    def end(self, transcript: Transcript) -> str:
        """Return what is written at the end of a source."""
        return ""

    def failed(self, source: Source) -> str:
        """Return what is written in place of the end of a source that could not be heard."""
        return ""


class Text(Format):
    """A line for each source; an empty one where nothing was heard, or where it could not be read."""

    suffix = "txt"

    def segment(self, source: Source, segment: Segment, number: int) -> str:
        """Return the segment's text."""
        return f"{' ' if number else ''}{segment.text}"

    def end(self, transcript: Transcript) -> str:
        """End the line."""
        return "\n"

    def failed(self, source: Source) -> str:
        """End the line."""
        return "\n"


class Tsv(Format):
    """A line for each hypothesis of each segment: file, start, end, rank, confidence, text."""

    suffix = "tsv"

    def head(self) -> str:
        """Return the columns' names."""
        return _row(["file", "start", "end", "rank", "confidence", "text"])

    def segment(self, source: Source, segment: Segment, number: int) -> str:
        """Return a line for each hypothesis."""
        return "".join(_row([source.name, f"{segment.start:.2f}", f"{segment.end:.2f}", str(rank),
                             f"{heard.confidence:.3f}", heard.text])
                       for rank, heard in enumerate(segment.hypotheses, 1))


class Json(Format):
    """An object for each source, on a line, with the times and confidences of all words."""

    suffix = "json"

    def end(self, transcript: Transcript) -> str:
        """Return the object."""
        source = transcript.source
        content = {"file": source.name, "id": source.utt, "seconds": round(transcript.seconds, 3),
                   "text": transcript.text, "segments": [_segment(segment) for segment in transcript.segments]}
        return json.dumps(content, ensure_ascii=False) + "\n"


class Kaldi(Format):
    """Kaldi's ``text``: a line for each source, its id and its words."""

    suffix = ""

    def end(self, transcript: Transcript) -> str:
        """Return the line."""
        return f"{transcript.source.utt} {transcript.text}".rstrip() + "\n"


class Cue(NamedTuple):
    """What a subtitle shows, and when."""

    start: float
    end: float
    text: str


class Subtitles(Format):
    """Subtitles; those of long segments are parted between words, where the model tells when they are spoken."""

    one = True
    comma: str

    def end(self, transcript: Transcript) -> str:
        """Return all of them."""
        return "".join(self._cue(number, cue) for number, cue in enumerate(cues(transcript.segments), 1))

    @abstractmethod
    def _cue(self, number: int, cue: Cue) -> str:
        """Return a subtitle."""

    def _times(self, cue: Cue) -> str:
        return f"{clock(cue.start, self.comma)} --> {clock(cue.end, self.comma)}"


class Srt(Subtitles):
    """SubRip."""

    suffix, comma = "srt", ","

    def _cue(self, number: int, cue: Cue) -> str:
        return f"{number}\n{self._times(cue)}\n{_wrapped(cue.text)}\n\n"


class Vtt(Subtitles):
    """WebVTT."""

    suffix, comma = "vtt", "."

    def head(self) -> str:
        """Return the line that files begin with."""
        return "WEBVTT\n\n"

    def _cue(self, number: int, cue: Cue) -> str:
        escaped = cue.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return f"{self._times(cue)}\n{_wrapped(escaped)}\n\n"


FORMATS: dict[str, type[Format]] = {"text": Text, "tsv": Tsv, "json": Json, "srt": Srt, "vtt": Vtt, "kaldi": Kaldi}


def cues(segments: Iterable[Segment]) -> Iterator[Cue]:
    """Yield subtitles of segments."""
    for segment in segments:
        begin, words = segment.start, [word for word in segment.words if word.end is not None]
        if len(words) < len(segment.words) or not words:
            if segment.text:
                yield Cue(segment.start, segment.end, segment.text)
            continue
        shown: list[Word] = []
        for word in words:
            assert word.start is not None and word.end is not None
            length = sum(len(one.text) + 1 for one in shown) + len(word.text)
            if shown and (length > _LINE * _LINES or word.end - begin > _SHOWN):
                yield Cue(begin, max(begin, min(word.start, shown[-1].end or begin)), _joined(shown))
                begin, shown = word.start, []
            shown.append(word)
        yield Cue(begin, max(begin, segment.end), _joined(shown))


def clock(seconds: float, point: str) -> str:
    """Return a time as ``00:01:02,345``."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}{point}{thousandths:03d}"


def _joined(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)


def _wrapped(text: str) -> str:
    """Return a subtitle's text in two lines of about the same length, if it does not fit one."""
    if len(text) <= _LINE or " " not in text:
        return text
    cut = min((k for k, char in enumerate(text) if char == " "), key=lambda k: abs(2 * k - len(text)))
    return f"{text[:cut]}\n{text[cut + 1:]}"


def _segment(segment: Segment) -> dict[str, Any]:
    found: dict[str, Any] = {"start": round(segment.start, 3), "end": round(segment.end, 3), "text": segment.text,
                             "confidence": round(segment.confidence, 4)}
    found["words"] = [_word(word) for word in segment.words]
    found["nbest"] = [_hypothesis(heard) for heard in segment.hypotheses]
    return found


def _word(word: Word) -> dict[str, Any]:
    times = {} if word.start is None or word.end is None else {"start": round(word.start, 3), "end": round(word.end, 3)}
    return {"text": word.text, **times, "confidence": round(word.confidence, 4)}


def _hypothesis(heard: Heard) -> dict[str, Any]:
    return {"text": heard.text, "score": round(heard.score, 4), "confidence": round(heard.confidence, 4),
            **({"cut": True} if heard.cut else {})}


def _row(values: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, dialect="excel-tab", lineterminator="\n").writerow(values)
    return line.getvalue()
