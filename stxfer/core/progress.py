"""Progress lines for long steps."""

from __future__ import annotations

import logging
import time

log = logging.getLogger(__name__)


class Progress:
    """Log ``<what> <done>/<total> utterances, <hours> h`` at most every ``every`` seconds, and at the end.

    Args:
        what: the step and what it works on, e.g. ``fbank src_train``.
        total: how many items there are.
        every: seconds between two lines.
    """

    def __init__(self, what: str, total: int, *, every: float = 10.0) -> None:
        self.what, self.total, self.every = what, total, every
        self.done, self.seconds = 0, 0.0
        self._last = time.monotonic()

    def add(self, n: int = 1, seconds: float = 0.0) -> None:
        """Count ``n`` more items that hold ``seconds`` of speech."""
        self.done += n
        self.seconds += seconds
        if self.done >= self.total or time.monotonic() - self._last >= self.every:
            self._last = time.monotonic()
            log.info("%s %d/%d utterances, %.2f h", self.what, self.done, self.total, self.seconds / 3600)
