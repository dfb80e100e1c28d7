"""tools/install.sh: what it says when it cannot go on, and that a half-made environment is made again.

A stand-in for the interpreter plays python, venv and pip; a real installation is what .ci/run does.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYTHON = r"""#!/usr/bin/env bash
case "$*" in
    -V) echo "Python ${FAKE_VERSION:-3.11.0}" ;;
    -c*version_info*) [[ ${FAKE_VERSION:-3.11.0} != 3.[6-9].* ]] ;;
    -c*ensurepip*) [[ -z ${FAKE_NO_VENV:-} ]] ;;
    -c*sysconfig*) mkdir -p "${0%/*}/../site"; echo "${0%/*}/../site" ;;
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
    "-m pip "*) echo "$*" >>"$FAKE_CALLS"; [[ -z ${FAKE_PIP:-} ]] || { echo "$FAKE_PIP"; exit 1; } ;;
esac
"""


class Checkout:
    """A copy of tools/ without an environment, and a stand-in interpreter."""

    def __init__(self, root: Path) -> None:
        self.tools = root / "checkout" / "tools"
        self.tools.mkdir(parents=True)
        for path in [ROOT / "tools" / "install.sh", *(ROOT / "tools").glob("*.txt")]:
            shutil.copy(path, self.tools)
        self.bin = root / "bin"
        self.bin.mkdir()
        self.calls = root / "calls"
        self.python = self.command("python", PYTHON)

    def command(self, name: str, script: str) -> Path:
        path = self.bin / name
        path.write_text(script)
        path.chmod(0o755)
        return path

    def install(self, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.tools / "install.sh"], capture_output=True, text=True,
            env={"PATH": f"{self.bin}:/usr/bin:/bin", "FAKE_CALLS": str(self.calls), "PYTHON": str(self.python), **env})

    @property
    def marker(self) -> Path:
        return self.tools / "venv" / ".stxfer-installed"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_installs_once_and_then_says_nothing(checkout: Checkout) -> None:
    first = checkout.install()
    assert first.returncode == 0, first.stderr
    assert "making tools/venv with Python 3.11.0" in first.stderr and "is ready after" in first.stderr
    calls = checkout.calls.read_text().splitlines()
    assert len(calls) == 3 and calls[0].endswith(" pip==25.3") and "--no-deps" in calls[2]
    assert (checkout.tools / "venv/site/stxfer.pth").read_text() == f"{checkout.tools.parent}\n"
    again = checkout.install()
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert checkout.calls.read_text().splitlines() == calls


def test_half_made_environment_is_made_again(checkout: Checkout) -> None:
    assert checkout.install(FAKE_PIP="ERROR: killed").returncode == 1
    assert not checkout.marker.exists()
    (checkout.tools / "venv/left_over").touch()
    assert checkout.install().returncode == 0
    assert checkout.marker.exists() and not (checkout.tools / "venv/left_over").exists()


def test_changed_requirements_are_installed_into_the_environment(checkout: Checkout) -> None:
    checkout.install()
    (checkout.tools / "venv/kept").touch()
    with open(checkout.tools / "constraints.txt", "a") as handle:
        handle.write("# changed\n")
    again = checkout.install()
    assert again.returncode == 0 and "bringing tools/venv up to date" in again.stderr
    assert (checkout.tools / "venv/kept").exists()
    assert checkout.install().stderr == ""


@pytest.mark.parametrize(("env", "message"), [
    ({"PYTHON": "no-such-python"}, "no no-such-python on this machine; set PYTHON=/path/to/python3 (3.10 or later)"),
    ({"FAKE_VERSION": "3.9.2"}, "is Python 3.9.2, and 3.10 or later is needed"),
    ({"FAKE_NO_VENV": "1"}, "has no venv module (Debian and Ubuntu: apt install python3-venv)"),
    ({"FAKE_PIP": "WARNING: Retrying: NewConnectionError\nERROR: No matching distribution found for pip==25.3"},
     "cannot reach the package index (network, proxy or PIP_INDEX_URL?): ERROR: No matching distribution found"),
    ({"FAKE_PIP": "ERROR: Could not install: [Errno 28] No space left on device"}, "the disk became full; free 8 GB"),
    ({"FAKE_PIP": "ERROR: something else"}, "pip failed: ERROR: something else; its whole output is in"),
    ({"STXFER_PYTHON": "no-such-python"}, "STXFER_PYTHON=no-such-python: no such interpreter"),
])
def test_what_it_cannot_mend_is_one_clear_line(checkout: Checkout, env: dict[str, str], message: str) -> None:
    result = checkout.install(**env)
    assert result.returncode == 1
    (error,) = [line for line in result.stderr.splitlines() if not line.startswith("install: ")]
    assert error.startswith("error: ") and message in error
    assert not checkout.marker.exists()
    assert not (checkout.tools / ".install.tmp").exists()


def test_too_little_disk(checkout: Checkout) -> None:
    checkout.command("df", "#!/bin/sh\necho head\necho disk 9 9 3145728 1% /\n")
    result = checkout.install()
    assert result.returncode == 1
    assert result.stderr == f"error: {checkout.tools} has 3 GB of free disk, and 8 GB are needed\n"
    assert not (checkout.tools / "venv").exists()


def test_own_environment_is_checked_and_nothing_is_installed(checkout: Checkout, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    result = checkout.install(STXFER_PYTHON=str(bare / "bin" / "python"))
    assert result.returncode == 1
    (error,) = result.stderr.splitlines()
    assert " lacks: torch torchaudio numpy " in error and " transformers " in error
    assert " espnet " in error
    assert "editdistance" not in error  # espnet lists it, nothing here needs it
    assert not (checkout.tools / "venv").exists()


def test_own_environment_that_has_everything_passes(checkout: Checkout) -> None:
    result = checkout.install(STXFER_PYTHON=sys.executable)
    assert (result.returncode, result.stderr) == (0, "")
    assert not (checkout.tools / "venv").exists()


def test_constraints_and_requirements_pin_every_package_once_a_python() -> None:
    pins: dict[str, list[str]] = {}
    for path in [*(ROOT / "tools").glob("requirements*.txt"), ROOT / "tools" / "constraints.txt"]:
        for line in path.read_text().splitlines():
            requirement = line.partition("#")[0].strip()
            if "==" in requirement:
                package, _, rest = requirement.partition("==")
                pins.setdefault(package.lower().replace("_", "-"), []).append(rest.partition(";")[2].strip())
    assert {"espnet", "torch", "torchaudio", "numpy"} <= pins.keys()
    for package, markers in pins.items():
        assert len(markers) == len(set(markers)), f"{package} is pinned twice"
        assert len(markers) == 1 or all(markers), f"{package} is pinned with and without a marker"
