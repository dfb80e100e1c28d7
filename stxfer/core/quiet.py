"""What libraries warn of among themselves: that of each other's functions which one day will be gone."""

from __future__ import annotations

import sys
import warnings


def quiet_libraries() -> None:
    """Show no ``FutureWarning`` and nothing that is only ``deprecated``: it is not the user's to mend.

    ``python -W`` and ``PYTHONWARNINGS`` show them.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", "(?s).*deprecated", UserWarning)
