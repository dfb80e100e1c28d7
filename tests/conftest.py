"""What all tests share."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: threads of small tests only get in each other's way

import hypothesis  # noqa: E402

hypothesis.settings.register_profile("stxfer", deadline=None, derandomize=True)
hypothesis.settings.load_profile("stxfer")
