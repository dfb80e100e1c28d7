"""What all tests share: settings of the environment, and the order of the files."""

from __future__ import annotations

import os

# Before torch: threads of small tests only get in each other's way, and those of the recipes must not spin while
# another worker's processes wait for the core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402

import hypothesis  # noqa: E402
import pytest  # noqa: E402
import warm  # noqa: E402

hypothesis.settings.register_profile("stxfer", deadline=None, derandomize=True)
hypothesis.settings.load_profile("stxfer")

#: The files that take longest, first: workers that take one file after the other then end at about the same time.
LONGEST = ("test_mini_recipe.py", "test_recipes.py", "test_commonvoice_recipes.py", "test_train.py", "test_fit.py",
           "test_ctranslate2.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the tests of ``LONGEST`` forward; all others keep their order."""
    rank = {name: index for index, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Python for recipes, ``STXFER_PYTHON``, that has imported everything."""
    with warm.warm_python(tmp_path_factory.mktemp("python")) as client:
        yield client
