"""Progress lines of long steps, all in one form."""

from __future__ import annotations

import logging
import time

EVERY = 10.0  # seconds between two lines
MEGA = 1e6
log = logging.getLogger(__name__)


class Progress:
    """Logs ``<what>: <done>/<total> <unit>, <rate>/s[, <hours> h]`` at most every ``every`` seconds, and at the end.

    Args:
        what: the step and what it works on, e.g. ``fbank src_train``.
        total: how many items there are; None if that is not known.
        unit: what the items are. ``MB`` are counted in bytes.
        done: how many were there before; the rate does not count them.
        end: whether the last item has a line; not where whoever called says that it is done.
        every: seconds between two lines.
    """

    def __init__(self, what: str, total: int | None, unit: str = "utterances", *, done: int = 0, end: bool = True,
                 every: float = EVERY) -> None:
        self.what, self.total, self.unit, self.every = what, total, unit, every
        self.done, self.seconds = done, 0.0
        self._before, self._end = done, end
        self._begun = self._last = time.monotonic()

    def add(self, n: int = 1, seconds: float = 0.0) -> None:
        """Count ``n`` more items (bytes of ``MB``) that hold ``seconds`` of speech."""
        self.done += n
        self.seconds += seconds
        now = time.monotonic()
        last = self._end and self.total is not None and self.done >= self.total
        if last or now - self._last >= self.every:
            self._last = now
            log.info("%s", self._line(max(now - self._begun, 1e-3)))

    def _line(self, elapsed: float) -> str:
        rate = (self.done - self._before) / elapsed
        if self.unit == "MB":
            done, rate = f"{self.done / MEGA:.1f}", rate / MEGA
            total = None if self.total is None else f"{self.total / MEGA:.1f}"
        else:
            done, total = str(self.done), None if self.total is None else str(self.total)
        line = f"{self.what}: {done}{'' if total is None else f'/{total}'} {self.unit}, {rate:.{int(rate < 10)}f}/s"
        return f"{line}, {self.seconds / 3600:.2f} h" if self.seconds else line
