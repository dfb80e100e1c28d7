"""Command-line entry points: parse arguments, call the library, print a summary.

Each computes with one thread, see :mod:`stxfer.core.threads`; numerical libraries read this when they are imported.
"""

from stxfer.core.threads import use_threads

use_threads(1)
