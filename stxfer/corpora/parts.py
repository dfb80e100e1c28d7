"""Columns that say which part of an audio file an utterance is: where it starts and ends, and in which channel.

They are known by their names, as NeMo (``offset duration``), lhotse (``start duration channel``), Praat
(``tmin tmax``), annotation tools (``begin_time end_time``, ``start_ms``) and tables on Hugging Face call them. What
such a column means is told by its name, by an option or by the file's length; where none of them tells, it is refused:
a part that is not the one meant would be learnt from as if it were.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from stxfer.core.errors import DataError
from stxfer.kaldi.channels import channel_name, channel_number

ROLES = ("start", "end", "duration", "channel")
Unit = Literal["s", "ms"]
_WORDS = {"start": "start begin onset offset tmin xmin", "end": "end stop tmax xmax", "duration": "duration dur",
          "channel": "channel chan"}
_UNITS = {"s": "s sec secs second seconds", "ms": "ms msec msecs milliseconds millisecond millis",
          "samples": "sample samples", "frames": "frame frames", "minutes": "minute minutes", "hours": "hour hours",
          "microseconds": "us usec microsecond microseconds", "nanoseconds": "ns nanosecond nanoseconds"}
_BESIDE = frozenset(["audio", "clip", "file", "recording", "segment", "time", "timestamp", "utt", "utterance", "wav"])
_BESIDE_CHANNEL = frozenset(["id", "index", "number", "selector"])
_ROLE_OF = {word: role for role, words in _WORDS.items() for word in words.split()}
_UNIT_OF = {word: unit for unit, words in _UNITS.items() for word in words.split()}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PartOptions:
    """What is said of such columns besides their names.

    Attributes:
        times: unit of the times of columns whose names tell none; None: seconds, refused where that is in doubt.
        first_channel: the number of the first channel, 0 or 1; None: 0 where a row has it, refused otherwise.
        ignore: columns that say something else.
    """

    times: Unit | None = None
    first_channel: int | None = None
    ignore: tuple[str, ...] = ()

    def changed(self) -> dict[str, Any]:
        """Return what is said, for a stage's options: nothing where nothing is."""
        return {} if self == BY_NAME else {"parts": asdict(self)}


BY_NAME = PartOptions()  # nothing is said: names tell


class Doubt(NamedTuple):
    """What of a part only its file can settle.

    Attributes:
        unit: whether no one told the unit of its times, which are taken for seconds.
        channel: whether no one told the number of the first channel, which is taken for 1.
        rounding: seconds, one of the last digit of its duration: an end so near that of the file is the file's.
    """

    unit: bool = False
    channel: bool = False
    rounding: float = 0.0


class Part(NamedTuple):
    """A part of a file: ``start`` and ``end`` in seconds (None: the file's end), the channel counted from 0."""

    start: float = 0.0
    end: float | None = None
    channel: int | None = None
    doubt: Doubt | None = None


class Meaning(NamedTuple):
    """What a column says: one of ``ROLES``, in a unit, empty where its name does not tell it."""

    role: str
    unit: str = ""


def meaning(name: str) -> Meaning | None:
    """Return what the name of a column means; None where it says nothing about a part of a file."""
    words = [word.lower() for word in _WORD.findall(name)]
    units = {_UNIT_OF[word] for word in words if word in _UNIT_OF}
    rest = [word for word in words if word not in _UNIT_OF and word not in _BESIDE]
    if "channel" in rest or "chan" in rest:
        rest = [word for word in rest if word not in _BESIDE_CHANNEL]
    if len(rest) != 1 or rest[0] not in _ROLE_OF or len(units) > 1:
        return None
    return Meaning(_ROLE_OF[rest[0]], units.pop() if units else "")


def _last_unit(name: str) -> str:
    return _UNIT_OF.get((_WORD.findall(name) or [""])[-1].lower(), "")


class PartColumns:
    """The columns of one table that say which part of a file an utterance is.

    Args:
        table: the table, for messages.
        present: the names of its columns.
        options: what is said of them.
        named: names of columns by role, over what names mean.
        others: columns that are known to say something else.

    Attributes:
        names: the column of each role that there is.

    Raises:
        DataError: two columns say the same, count neither seconds nor milliseconds, or one tells its unit and
            another does not; names the file and how to settle it.
    """

    def __init__(self, table: object, present: Sequence[str], options: PartOptions = BY_NAME, *,
                 named: Mapping[str, str] | None = None, others: Collection[str] = ()) -> None:
        self._options = options
        self.names = dict(named or {})
        self._units = {role: Meaning(role, _last_unit(column)) for role, column in self.names.items()}
        if missing := [column for column in options.ignore if column not in present]:
            raise DataError(f"{table}:1: no column {missing[0]!r} to ignore; there are: {' '.join(present)}")
        used = {*self.names.values(), *others, *options.ignore}
        found = {column: what for column in present if column not in used and (what := meaning(column))}
        if {"onset", "offset"} <= {column.lower() for column in found}:  # its other meaning
            found = {column: Meaning("end") if column.lower() == "offset" else what for column, what in found.items()}
        for column, what in found.items():
            if (other := self.names.setdefault(what.role, column)) != column:
                raise DataError(f"{table}:1: columns {other!r} and {column!r} both say the {what.role}; take one with "
                                f"--columns '{what.role}={other}' and the other out with --ignore-columns {column!r}")
            self._units[what.role] = what
        times = {self.names[role]: what.unit for role, what in self._units.items() if role != "channel"}
        for column, unit in times.items():
            if unit not in ("", "s", "ms"):
                raise DataError(f"{table}:1: column {column!r} counts {unit}; write seconds or milliseconds, or say "
                                f"that it is not about the audio with --ignore-columns {column!r}")
        self._told = options.times is not None or all(times.values())
        if not self._told and any(times.values()):
            first, second = (next(column for column, unit in times.items() if bool(unit) is told)
                             for told in (True, False))
            raise DataError(f"{table}:1: column {first!r} tells the unit of its times and {second!r} does not; say it "
                            "with --times s or --times ms")
        if found:
            log.info("%s: which part of the audio is meant: %s", table,
                     ", ".join(f"{column!r} is the {what.role}" for column, what in found.items()))

    def parts(self, rows: Sequence[tuple[str, Mapping[str, str]]]) -> list[Part]:
        """Return the part that each row means.

        Args:
            rows: where it stands (file and line), and its values by column.

        Raises:
            DataError: a time is not a number, a part ends before it starts, its duration is another than that of its
                start and end, or a channel is none; names file and line.
        """
        numbers = [values.get(self.names.get("channel", ""), "").strip().removesuffix(".0") for _, values in rows]
        first = self._options.first_channel
        told = first is not None or "0" in numbers
        return [self._part(where, values, number, (0 if first is None else first) if told else None)
                for (where, values), number in zip(rows, numbers, strict=True)]

    def _part(self, where: str, values: Mapping[str, str], number: str, first: int | None) -> Part:
        start = self._seconds("start", values, where) or 0.0
        end, length = self._seconds("end", values, where), self._seconds("duration", values, where)
        rounding = self._rounding(values) if end is None and length is not None else 0.0
        if length is not None:
            if end is not None and abs(start + length - end) > max(0.01, self._rounding(values)):
                column = self.names["duration"]
                raise DataError(f"{where}: starts at {start:g} s, lasts {length:g} s and ends at {end:g} s; mend it, "
                                f"or say that column {column!r} is not about it with --ignore-columns {column!r}")
            end = start + length if end is None else end
        if end is not None and end <= start:
            raise DataError(f"{where}: ends at {end:g} s, not after its start at {start:g} s")
        channel = self._channel(number, 1 if first is None else first, where)
        timed = start > 0 or end is not None
        doubt = Doubt(timed and not self._told, first is None and number.isdecimal(), rounding)
        return Part(start, end, channel, doubt if any(doubt) else None)

    def _channel(self, number: str, first: int, where: str) -> int | None:
        if not number:
            return None
        name = {"left": "A", "l": "A", "right": "B", "r": "B"}.get(number.lower(), number)
        try:
            return channel_number(name, first)
        except ValueError as error:
            column = self.names["channel"]
            raise DataError(f"{where}: column {column!r}: {error}; mend it, or say that it is not about the audio with "
                            f"--ignore-columns {column!r}") from None

    def _unit(self, role: str) -> str:
        return self._units[role].unit or self._options.times or "s"

    def _seconds(self, role: str, values: Mapping[str, str], where: str) -> float | None:
        text = values.get(self.names.get(role, ""), "").strip()
        if not text:
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        milliseconds = self._unit(role) == "ms"
        if not (math.isfinite(number) and number >= 0):
            raise DataError(f"{where}: column {self.names[role]!r}: {text!r} is not a number of "
                            f"{'milliseconds' if milliseconds else 'seconds'}")
        return number / 1000 if milliseconds else number

    def _rounding(self, values: Mapping[str, str]) -> float:
        """Return one of the last digit of a duration, in seconds."""
        digits = values[self.names["duration"]].strip().lower()
        decimals = 6 if "e" in digits else len(digits.partition(".")[2])
        return float(10.0 ** -decimals / (1000 if self._unit("duration") == "ms" else 1))


def part_name(part: Part) -> str:
    """Return what follows the file's name in an utterance's id: milliseconds and channel; empty for all of the file."""
    times = [seconds for seconds in (part.start, part.end) if seconds is not None]
    if not part.start and (part.end is None or part.doubt and part.doubt.rounding):  # a duration may be the file's
        times = []
    words = [f"{round(seconds * 1000):08d}" for seconds in times]
    return "".join(f"-{word}" for word in [*words, *([] if part.channel is None else [channel_name(part.channel)])])
