"""What tests of tar archives need of Python."""

import tarfile

import pytest

REASON = "this Python has no tarfile.data_filter (3.10.12, 3.11.4 or newer have), without which archives are refused"
unpacks_tar = pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason=REASON)
