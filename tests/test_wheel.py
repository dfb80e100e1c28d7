"""The wheel holds all that the code reads, and works where nothing of this checkout is; the command stxfer."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

import numpy as np
import packing
import pytest
import soundfile

from stxfer.bin import new_recipe
from stxfer.bin.__main__ import commands
from stxfer.core.errors import ConfigError
from stxfer.transcription.packing import write_pack

ROOT = Path(__file__).resolve().parents[1]
# An environment that has what `pip install stxfer` and `pip install --no-deps espnet` bring, and nothing else.
LIGHT = """
import re, sys
from importlib.metadata import packages_distributions

def listed(name):
    lines = open(f"{name}.txt", encoding="utf-8").read().splitlines()
    return {re.match(r"[\\w.-]*", line)[0].lower().replace("-", "_") for line in lines if line and line[0] != "#"}

torchs = {"filelock", "setuptools"}
heavy = (listed("requirements-train") | listed("requirements-pretrained")) - torchs
names = {name for name, of in packages_distributions().items()
         if heavy & {distribution.lower().replace("-", "_") for distribution in of}}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


class Place:
    """An environment without this checkout: the wheel's files, and the packages of this interpreter beside them."""

    def __init__(self, root: Path) -> None:
        self.root, self.site = root, root / "site"
        source = root / "source"
        shutil.copytree(ROOT / "stxfer", source / "stxfer", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "tools", source / "tools", ignore=shutil.ignore_patterns("venv*", "bench", "campaign"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q"]
        subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", root, source],
                       check=True, capture_output=True)
        (self.wheel,) = root.glob("stxfer-*.whl")
        subprocess.run([*pip, "install", "--no-deps", "--no-index", "--no-compile", "--target", self.site, self.wheel],
                       check=True, capture_output=True)
        shutil.rmtree(source)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", root / "venv"], check=True)

    def run(self, *words: str, code: int = 0, light: str = "light") -> subprocess.CompletedProcess[str]:
        """Run the command ``stxfer`` somewhere else."""
        elsewhere = self.root / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        # Directories of PYTHONPATH, unlike site-packages, have no .pth files that lead back to this checkout.
        path = os.pathsep.join(map(str, (self.root / light, self.site, sysconfig.get_path("purelib"))))
        done = subprocess.run([self.root / "venv/bin/python", self.site / "bin/stxfer", *words], cwd=elsewhere,
                              capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": path,
                                                                   "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"})
        assert done.returncode == code, done.stderr
        return done


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("place"))


def test_the_wheel_holds_all_files_of_the_package_and_nothing_else(place: Place) -> None:
    tracked = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "stxfer"], cwd=ROOT,
                             capture_output=True, text=True)
    files = set(tracked.stdout.split()) if tracked.returncode == 0 else \
        {str(path.relative_to(ROOT)) for path in (ROOT / "stxfer").rglob("*.*") if "__pycache__" not in path.parts}
    with zipfile.ZipFile(place.wheel) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == {name for name in files if (ROOT / name).exists()}
    assert {"stxfer/text/profiles.yaml", "stxfer/mt/translators/maps/en-sw.yaml"} <= held


def test_no_code_reads_a_file_of_the_checkout() -> None:
    """Whatever lies beside a module is in the wheel; a path that leaves the package would not be."""
    climbing = {str(path.relative_to(ROOT / "stxfer")) for path in (ROOT / "stxfer").rglob("*.py")
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Attribute) and node.attr == "parents" and "__file__" in ast.unparse(node)}
    assert climbing == {"core/source.py",  # asks git, where there is one
                        "cluster/slurm.py",  # tells jobs where the package was imported from
                        "bin/new_recipe.py"}  # writes into a checkout's recipes, or where --egs says


def test_no_recipe_is_written_beside_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_recipe, "EGS", tmp_path / "egs2")
    with pytest.raises(ConfigError, match="give --egs DIR"):
        new_recipe.main(["x", "--source", "en", "--target", "sw", "--speech", str(tmp_path)])
    assert not (tmp_path / "egs2").exists()


def test_what_it_needs_is_declared(place: Place) -> None:
    (info,) = place.site.glob("*.dist-info")
    metadata = PathDistribution(info).metadata
    needed = metadata.get_all("Requires-Dist") or []
    plain = {re.split(r"[=;\s]", line)[0] for line in needed if "extra ==" not in line}
    assert {"torch", "numpy", "sentencepiece", "safetensors", "soundfile"} <= plain
    assert not {"espnet", "transformers", "jiwer", "matplotlib"} & plain
    assert set(metadata.get_all("Provides-Extra") or []) == {"pretrained", "slurm", "train"}
    extra = {re.split(r"[=;\s]", line)[0] for line in needed if re.search("extra == .train", line)}
    assert {"rapidfuzz", "transformers", "ctranslate2"} <= extra and "espnet" not in extra


def test_the_docs_install_the_espnet_that_is_pinned() -> None:
    pin = (ROOT / "tools/requirements-espnet.txt").read_text(encoding="utf-8").split()[0]
    assert f"pip install --no-deps {pin} " in (ROOT / "docs/models-in-use.md").read_text(encoding="utf-8")


def test_help_lists_every_command_and_loads_none(place: Place) -> None:
    shown = place.run("--help").stdout
    for name, line in commands().items():
        assert re.search(rf"^  {name.replace('_', '-')} +{re.escape(line)}$", shown, re.MULTILINE)
        assert line.endswith(".") or line.endswith("?"), f"{name}: its first line is no sentence"
    assert {path.stem for path in (ROOT / "stxfer/bin").glob("[a-z]*.py")} == commands().keys()
    script = "import sys, stxfer.bin.__main__ as m; m.make_parser(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "yaml", "pydantic", "espnet2"} & set(loaded)


def test_names_have_dashes_or_underscores_and_mistyped_ones_one_line(place: Place) -> None:
    assert place.run("check_text", "--help").stdout == place.run("check-text", "--help").stdout
    assert place.run("check-text", "--help").stdout.startswith("usage: stxfer check-text ")
    assert place.run("chek-text", code=1).stderr == \
        "error: no command 'chek-text'; did you mean 'check-text'?; stxfer --help lists them\n"


def complete(line: str) -> list[str]:
    """What a shell with argcomplete shows, which reads it from file descriptor 8."""
    pytest.importorskip("argcomplete")
    command = f"exec '{sys.executable}' -m stxfer.bin 8>&1 9>/dev/null >/dev/null"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, env={
        **os.environ, "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line, "COMP_POINT": str(len(line))})
    return [word.strip() for word in done.stdout.split("\n")]


def test_the_shell_completes_commands_and_their_options() -> None:
    assert {"check-audio", "check-config", "check-text"} == set(complete("stxfer check-"))
    assert complete("stxfer check-config --se") == ["--seeds"]


def test_a_light_environment_transcribes_with_a_pack_and_says_what_it_lacks(place: Place, tmp_path: Path) -> None:
    script = LIGHT.replace('f"{name}.txt"', f'f"{ROOT}/tools/{{name}}.txt"')
    for name, more in (("light", ""), ("without", 'names |= {"espnet", "espnet2"}')):
        (place.root / name).mkdir()
        (place.root / name / "sitecustomize.py").write_text(f"{script}\n{more}\n")
    system, experiment = packing.make_work(tmp_path / "work")
    write_pack(system, tmp_path / "pack.zip", variant="lm", experiment=experiment)
    shutil.rmtree(tmp_path / "work")
    speech = np.random.default_rng(1).normal(size=16000).astype(np.float32) / 10
    soundfile.write(tmp_path / "speech.wav", speech, 16000)
    said = place.run("transcribe", str(tmp_path / "pack.zip"), str(tmp_path / "speech.wav"), "--whole").stdout
    assert said.strip()
    lacking = place.run("transcribe", str(tmp_path / "pack.zip"), str(tmp_path / "speech.wav"), code=1, light="without")
    assert re.search(r"^error: the layers of ESPnet, .*: pip install --no-deps espnet==", lacking.stderr, re.MULTILINE)
    lacking = place.run("score", "--config", str(ROOT / "egs2/mini_sw/asr1/conf/mini.yaml"), code=1)
    assert re.search(r"^error: \w+ is not installed, .*pip install 'stxfer\[train\]'", lacking.stderr, re.MULTILINE)
    assert "Traceback" not in lacking.stderr
