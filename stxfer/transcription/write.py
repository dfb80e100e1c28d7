"""Events of a transcriber to standard output or to a file for each source; what failed is named and counted."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TextIO

from stxfer.core.errors import StxferError
from stxfer.core.fileio import atomic_write
from stxfer.core.progress import EVERY, Progress
from stxfer.transcription.formats import Format
from stxfer.transcription.inputs import Source
from stxfer.transcription.transcriber import Event, Segment, Transcript

log = logging.getLogger(__name__)


class FailedError(StxferError):
    """Some of the sources could not be heard; all others were."""


class Output:
    """Where transcripts go.

    Args:
        formats: what is written; to standard output one.
        out: a folder, for ``<stem>.<suffix>`` of each source; None: standard output.
        stream: standard output.
    """

    def __init__(self, formats: Sequence[Format], out: Path | None, stream: TextIO) -> None:
        self._formats, self._out, self._stream = formats, out, stream
        self._segments: list[Segment] = []
        self._texts = 0
        if out is None:
            self._tell(formats[0].head())

    @property
    def shown(self) -> bool:
        """Whether results come to a terminal, where lines of progress would part theirs."""
        return self._out is None and self._stream.isatty()

    def segment(self, source: Source, segment: Segment) -> None:
        """Take a segment in."""
        if self._out is None and segment.text:
            self._tell(self._formats[0].segment(source, segment, self._texts))
        self._texts += bool(segment.text)
        self._segments.append(segment)

    def end(self, source: Source, seconds: float) -> None:
        """End a source."""
        transcript = Transcript(source, seconds, tuple(self._segments))
        if self._out is None:
            self._tell(self._formats[0].end(transcript))
        else:
            for form in self._formats:
                spoken = [segment for segment in transcript.segments if segment.text]
                with atomic_write(self._out / f"{source.stem}.{form.suffix}", durable=False) as handle:
                    handle.write(form.head())
                    handle.writelines(form.segment(source, segment, k) for k, segment in enumerate(spoken))
                    handle.write(form.end(transcript))
        self._reset()

    def fail(self, source: Source) -> None:
        """End a source that could not be heard."""
        if self._out is None:
            self._tell(self._formats[0].failed(source))
        self._reset()

    def _reset(self) -> None:
        self._segments, self._texts = [], 0

    def _tell(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()


def write_events(events: Iterable[Event], total: int, output: Output, report: Callable[[str], None]) -> None:
    """Write what a transcriber tells, with its progress in the log.

    Args:
        events: of :meth:`stxfer.transcription.transcriber.Transcriber.stream`.
        total: sources.
        output: where transcripts go.
        report: is given a line for each source that failed.

    Raises:
        FailedError: some sources failed; the message counts them.
    """
    begun = time.monotonic()
    progress = Progress("transcribe", total, "files", end=False, every=math.inf if output.shown else EVERY)
    failed, seconds, read = 0, 0.0, 0.0
    for event in events:
        if event.segment is not None:
            output.segment(event.source, event.segment)
            progress.add(0, max(0.0, event.segment.end - read))
            read = event.segment.end
            continue
        if event.problem:
            failed += 1
            output.fail(event.source)  # which ends a line that has begun
            report(f"{event.source.name}: {event.problem}")
        else:
            output.end(event.source, event.seconds)
        progress.add(1, max(0.0, event.seconds - read))
        seconds, read = seconds + event.seconds, 0.0
    took = time.monotonic() - begun
    log.info("transcribed %d of %d files, %.3f h of audio in %.1f s, %.1f times real time", total - failed, total,
             seconds / 3600, took, seconds / max(took, 1e-3))
    if failed:
        raise FailedError(f"{failed} of {total} files could not be transcribed, see above; all others were")
