"""The shell: option parsing, the staged driver, what a recipe's directory may hold.

The driver's order, markers of progress and failures are tested with a stand-in for the interpreter that
only records what it is asked to run; bad input is tested with the real commands.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from contextlib import redirect_stdout
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RECIPES = sorted(path.parent for path in (ROOT / "egs2").glob("*/asr1/run.sh"))
COMMANDS = sorted(path.stem for path in (ROOT / "stxfer" / "bin").glob("[a-z]*.py"))
STAGES = ["data", "prepare", "features", "mt", "labels", "vocab", "lm", "source_asr", "st", "target_asr", "decode",
          "score", "report"]


def bash(script: str | Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key not in ("VOA_SW", "MAFAND_EN_SW", "PYTHONPATH")}
    return subprocess.run(["bash", str(script), *arguments], capture_output=True, text=True,
                          env={"STXFER_PYTHON": sys.executable, **clean, **env})


# --- utils/parse_options.sh ------------------------------------------------------------------------

def parse(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "script.sh"
    script.write_text(f"""set -euo pipefail
. {ROOT}/utils/parse_options.sh
option stop_stage 12 "last stage"
option stage 1 "first stage"
option force false "do it again"
option systems "" "only these"
path_option corpus "" "a directory"
usage="usage: script [options]"
parse_options "$@"
echo "$stage|$stop_stage|$force|$systems|$corpus"
""")
    return bash(script, *arguments)


@pytest.mark.parametrize(("arguments", "values"), [
    ([], "1|12|false||"),
    (["--stage", "3", "--stop-stage", "5"], "3|5|false||"),
    (["--stop_stage", "5", "--stage=2"], "2|5|false||"),
    (["--systems", "direct st_mt", "--force", "true"], "1|12|true|direct st_mt|"),
    (["--systems", "", "--stage", "-1"], "-1|12|false||"),
    (["--systems", "a=b $HOME `x`"], "1|12|false|a=b $HOME `x`|"),
    (["--corpus", "/data/x"], "1|12|false||/data/x"),
])
def test_options_set_the_declared_variables(tmp_path: Path, arguments: list[str], values: str) -> None:
    result = parse(tmp_path, *arguments)
    assert (result.returncode, result.stdout) == (0, values + "\n"), result.stderr


def test_paths_are_relative_to_where_the_command_is_typed(tmp_path: Path) -> None:
    assert parse(tmp_path, "--corpus", "some/where").stdout == f"1|12|false||{os.getcwd()}/some/where\n"


@pytest.mark.parametrize(("arguments", "message"), [
    (["--sage", "3"], "unknown option --sage; did you mean --stage? (--help lists all)"),
    (["--stop", "3"], "unknown option --stop; did you mean --stop-stage? (--help lists all)"),
    (["--nothing-like-it", "3"], "unknown option --nothing-like-it (--help lists all)"),
    (["--PATH=x"], "unknown option --PATH (--help lists all)"),
    (["--stage"], "option --stage needs a value"),
    (["--stage", "--force", "true"], "option --stage needs a value, not '--force'"),
    (["--force", "yes"], "option --force is true or false, not 'yes'"),
    (["3"], "unexpected argument '3': options are --name value (--help lists them)"),
    (["-x"], "unexpected argument '-x': options are --name value (--help lists them)"),
    (["--"], "unexpected argument '--': options are --name value (--help lists them)"),
])
def test_a_wrong_command_line_is_one_line_and_status_2(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = parse(tmp_path, *arguments)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", f"error: {message}\n")


def test_help_lists_every_option_with_its_default(tmp_path: Path) -> None:
    result = parse(tmp_path, "--stage", "3", "--help")
    assert result.returncode == 0
    assert result.stdout.splitlines()[0] == "usage: script [options]"
    assert re.search(r"^  --stop-stage +last stage \(default: 12\)$", result.stdout, re.MULTILINE)
    assert re.search(r"^  --stage +first stage \(default: 1\)$", result.stdout, re.MULTILINE)
    assert re.search(r"^  --systems +only these$", result.stdout, re.MULTILINE)


# --- the driver, with a stand-in for the interpreter -------------------------------------------------

PYTHON = r"""#!/usr/bin/env bash
[[ $1 != - ]] || exit 0  # the check of the user's own environment
shift; command=${1#stxfer.bin.}; shift
echo "$command $*" >>"$FAKE_CALLS"
if [[ $command == "${FAKE_SLOW:-}" ]]; then sleep 60; fi
if [[ $command == "${FAKE_FAIL:-}" ]]; then echo "error: it is broken" >&2; exit 1; fi
"""


class Recipe:
    """A recipe with a local/data.sh of one option, whose commands are only recorded."""

    def __init__(self, root: Path) -> None:
        self.directory, self.calls, self.workdir = root / "recipe", root / "calls", root / "work"
        self.python = root / "python"
        self.python.write_text(PYTHON)
        self.python.chmod(0o755)
        (self.directory / "conf").mkdir(parents=True)
        (self.directory / "local").mkdir()
        for preset in ("big", "small"):
            (self.directory / "conf" / f"{preset}.yaml").touch()
        data = self.directory / "local" / "data.sh"
        data.write_text('#!/bin/bash\n"$STXFER_PYTHON" -m stxfer.bin.data "$@"\n')
        data.chmod(0o755)
        (self.directory / "run.sh").write_text(f"""set -euo pipefail
recipe={self.directory}
preset=small
. {ROOT}/utils/parse_options.sh
path_option corpus "${{CORPUS:-}}" "where the corpus is"
. {ROOT}/egs2/TEMPLATE/asr1/stxfer.sh
""")

    @property
    def command(self) -> list[str]:
        return [str(self.directory / "run.sh"), "--workdir", str(self.workdir), "--python", str(self.python)]

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        self.calls.unlink(missing_ok=True)
        return bash(*self.command, *arguments, FAKE_CALLS=str(self.calls), **env)

    def recorded(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return Recipe(tmp_path)


def test_stages_run_in_order_with_a_heading_each(recipe: Recipe) -> None:
    result = recipe.run()
    assert result.returncode == 0, result.stderr
    assert [call.split()[0] for call in recipe.recorded()] == [
        "check_config", "data", "prepare", "dump_fbank", "train_mt", "make_labels", "make_vocab", "train_lm", "train",
        "train", "train", "decode", "score", "report"]
    assert [call.split("--kind ")[1].split()[0] for call in recipe.recorded() if call.startswith("train ")] == [
        "source", "st", "target"]
    assert re.findall(r"^=== stage (\d+): (\w+) ", result.stderr, re.MULTILINE) == [
        (str(number), name) for number, name in enumerate(STAGES, start=1)]
    assert re.search(r"^stages 1 to 13 took 0 min \d\d s$", result.stderr, re.MULTILINE)
    config = recipe.directory / "conf" / "small.yaml"
    assert all(f"--config {config} " in call + " " for call in recipe.recorded() if not call.startswith("dump_fbank"))


@pytest.mark.parametrize(("first", "last"), [("3", "6"), ("features", "vocab"), ("source-asr", "source_asr")])
def test_stages_are_chosen_by_number_or_name(recipe: Recipe, first: str, last: str) -> None:
    result = recipe.run("--stage", first, "--stop-stage", last)
    assert result.returncode == 0, result.stderr
    expected = ["dump_fbank", "train_mt", "make_labels", "make_vocab"] if first != "source-asr" else ["train"]
    assert [call.split()[0] for call in recipe.recorded()[1:]] == expected


def test_options_reach_the_commands(recipe: Recipe) -> None:
    result = recipe.run("--preset", "big", "--systems", "direct st_mt", "--seeds", "1 2", "--nj", "3", "--force",
                        "true", "--allow-stale", "true", "--expdir", "exp2", "--corpus", "/data/voices")
    assert result.returncode == 0, result.stderr
    calls = {call.split()[0]: call for call in recipe.recorded()}
    assert f"--config {recipe.directory}/conf/big.yaml --systems direct st_mt --seeds 1 2" in calls["check_config"]
    assert calls["data"].endswith("--data data --nj 3 --force true --corpus /data/voices")
    for command in ("train", "decode", "score", "report"):
        assert "--dump dump --exp exp2 --force --allow-stale --systems direct st_mt --seeds 1 2" in calls[command]
    assert calls["report"].endswith("--command ./run.sh --preset big --corpus /data/voices --systems 'direct st_mt' "
                                    "--seeds '1 2' --expdir exp2")
    assert "--nj 3" in calls["decode"] and "--nj 3" in calls["dump_fbank"]


def test_the_reports_command_has_the_options_that_it_needs(recipe: Recipe) -> None:
    """Those of the corpora are the ones that the data was made from, whatever the run that reports is given."""
    assert recipe.run(CORPUS="/the voices/of Ann's").returncode == 0
    assert recipe.recorded()[-1].endswith(r"--command ./run.sh --preset small --corpus '/the voices/of Ann'\''s'")
    assert recipe.run("--stage", "report", "--encoder", "/whisper", "--nj", "7").returncode == 0
    assert recipe.recorded()[-1].endswith(r"--corpus '/the voices/of Ann'\''s' --encoder /whisper")


def test_a_failing_stage_stops_the_run_and_says_how_to_go_on(recipe: Recipe) -> None:
    result = recipe.run(FAKE_FAIL="make_labels")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-2:] == [
        "error: it is broken", "stage 5 (labels) failed; the same command resumes it"]
    assert recipe.recorded()[-1].startswith("make_labels ")


@pytest.mark.parametrize(("arguments", "message"), [
    (["--stage", "14"], f"--stage 14: no such stage; 1 to 13, or {' '.join(STAGES)}"),
    (["--stage", "0"], f"--stage 0: no such stage; 1 to 13, or {' '.join(STAGES)}"),
    (["--stop-stage", "lables"], f"--stop-stage lables: no such stage; 1 to 13, or {' '.join(STAGES)}"),
    (["--stage", "decode", "--stop-stage", "mt"], "--stage decode comes after --stop-stage mt"),
    (["--nj", "0"], "--nj 0: must be a number of at least 1"),
    (["--nj", "two"], "--nj two: must be a number of at least 1"),
    (["--config", "/no/such.yaml"], "--config /no/such.yaml: no such file"),
    (["--corpsu", "x"], "unknown option --corpsu; did you mean --corpus? (--help lists all)"),
])
def test_wrong_options_are_found_before_any_work(recipe: Recipe, arguments: list[str], message: str) -> None:
    result = recipe.run(*arguments)
    assert (result.returncode, result.stderr) == (2, f"error: {message}\n")
    assert not recipe.recorded() and not recipe.workdir.exists()


def test_unknown_preset_names_the_known_ones(recipe: Recipe) -> None:
    result = recipe.run("--preset", "huge")
    assert (result.returncode, result.stderr) == (
        2, f"error: --preset huge: no such preset; {recipe.directory}/conf has big small\n")


def test_two_runs_do_not_share_a_working_directory_and_a_killed_one_frees_it(recipe: Recipe) -> None:
    env = {**os.environ, "FAKE_CALLS": str(recipe.calls), "FAKE_SLOW": "prepare"}
    first = subprocess.Popen(["bash", *recipe.command], env=env, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        while not any(call.startswith("prepare ") for call in recipe.recorded()):
            assert first.poll() is None
            time.sleep(0.02)
        second = bash(*recipe.command, FAKE_CALLS=os.devnull)
        assert second.returncode == 1
        assert second.stderr == (f"error: {recipe.workdir}: another run is at work here; wait for it, "
                                 "or give another --workdir\n")
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    assert recipe.run().returncode == 0


def test_run_sh_may_be_a_link(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for k, directory in enumerate(RECIPES):
        link = tmp_path / f"run{k}.sh"
        link.symlink_to(os.path.relpath(directory / "run.sh", tmp_path))
        result = bash(link.name, "--help")
        assert (result.returncode, result.stderr) == (0, "")
        assert f"(default: {directory})" in result.stdout, "where data, dump and exp are"


@pytest.mark.parametrize("how", ["option", "environment"])
def test_a_relative_python_is_relative_to_where_the_command_is_typed(recipe: Recipe, monkeypatch: pytest.MonkeyPatch,
                                                                      how: str) -> None:
    monkeypatch.chdir(recipe.python.parent)
    command = [str(recipe.directory / "run.sh"), "--workdir", str(recipe.workdir), "--stop-stage", "data"]
    result = bash(*command, "--python", "./python", FAKE_CALLS=str(recipe.calls)) if how == "option" else \
        bash(*command, STXFER_PYTHON="../" + recipe.python.parent.name + "/python", FAKE_CALLS=str(recipe.calls))
    assert result.returncode == 0, result.stderr
    assert [call.split()[0] for call in recipe.recorded()] == ["check_config", "data"]


def test_a_python_without_a_slash_is_looked_up(recipe: Recipe) -> None:
    result = bash(str(recipe.directory / "run.sh"), "--workdir", str(recipe.workdir), "--python", "python",
                  "--stop-stage", "data", PATH=f"{recipe.python.parent}:{os.environ['PATH']}",
                  FAKE_CALLS=str(recipe.calls))
    assert result.returncode == 0, result.stderr
    assert len(recipe.recorded()) == 2


# --- the recipes and the real commands ---------------------------------------------------------------

def errors(result: subprocess.CompletedProcess[str]) -> list[str]:
    assert "Traceback" not in result.stderr
    return [line for line in result.stderr.splitlines() if line.startswith("error: ")]


def left_behind(workdir: Path) -> list[str]:
    return sorted(str(path.relative_to(workdir)) for path in workdir.rglob("*")
                  if path.is_file() and path.name not in (".stxfer", ".stxfer.lock"))


def test_unknown_system_is_found_before_any_work(tmp_path: Path) -> None:
    result = bash(ROOT / "egs2/mini_sw/asr1/run.sh", "--workdir", str(tmp_path / "w"), "--systems", "direct bogus")
    assert result.returncode == 1
    assert result.stderr.splitlines() == errors(result)
    assert len(errors(result)) == 1 and "unknown system 'bogus'; declared: source_asr" in errors(result)[0]
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("stage", [stage for stage in STAGES[1:] if stage != "lm"])  # none is declared: no work
def test_a_stage_whose_input_is_not_there_says_so(tmp_path: Path, stage: str) -> None:
    result = bash(ROOT / "egs2/mini_sw/asr1/run.sh", "--workdir", str(tmp_path), "--stage", stage)
    assert result.returncode == 1
    (error,) = errors(result)
    absent = r"no such file|holds no data directory|not finished|not trained|not decoded|not scored"
    assert re.search(absent, error), error
    assert f"({stage}) failed; the same command resumes it" in result.stderr.splitlines()[-1]
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "error: no corpus: give --voa-sw (or VOA_SW) DIR, see README.md"),
    (["--voa-sw", "/no/corpus"], "error: --voa-sw (or VOA_SW): /no/corpus: no such file or directory"),
])
def test_missing_corpus(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = bash(ROOT / "egs2/voa_sw/asr1/run.sh", "--workdir", str(tmp_path), *arguments)
    assert result.returncode == 1
    assert errors(result) == [message]
    assert left_behind(tmp_path) == []


def test_missing_bitext(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    (corpus / "clips").mkdir(parents=True)
    for name in ("train", "dev", "test"):
        (corpus / f"{name}.tsv").touch()
    result = bash(ROOT / "egs2/voa_sw/asr1/run.sh", "--workdir", str(tmp_path / "w"), "--voa-sw", str(corpus))
    assert result.returncode == 1
    assert errors(result) == ["error: no corpus: give --mafand-en-sw (or MAFAND_EN_SW) DIR, see README.md"]
    assert left_behind(tmp_path / "w") == []


@pytest.mark.parametrize("variables", [{"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {}])
def test_commands_read_and_write_utf8_in_any_locale(tmp_path: Path, variables: dict[str, str]) -> None:
    path = tmp_path / "mbɔ́ɔ́.txt"
    path.write_text("Ɛ́tɛ́ !\n", encoding="utf-8")
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONUTF8", "LANG")}
    result = subprocess.run([sys.executable, "-m", "stxfer.bin.check_text", os.fsencode(path), "--lang", "mdw"],
                            capture_output=True, cwd=ROOT, env={**clean, "LC_ALL": "C", **variables})
    assert result.returncode == 0, result.stderr.decode()
    assert f"{path}: 1 lines" in result.stdout.decode() and "  ɛ  U+025B" in result.stdout.decode()


@pytest.mark.parametrize("directory", RECIPES, ids=lambda path: path.parent.name)
def test_help_of_a_recipe_from_anywhere(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = bash(directory / "run.sh", "--help")
    assert result.returncode == 0 and result.stderr == ""
    for option in ("stage", "stop-stage", "systems", "seeds", "nj", "preset", "workdir", "force"):
        assert re.search(rf"^  --{option} ", result.stdout, re.MULTILINE)
    assert all(re.search(rf"^ +\d+  {name} ", result.stdout, re.MULTILINE) for name in STAGES)


def test_help_of_every_command_imports_nothing_heavy() -> None:
    script = """
import contextlib, importlib, io, sys
for name in sys.argv[1:]:
    module = importlib.import_module(f"stxfer.bin.{name}")
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        module.main(["--help"])
    assert out.getvalue().startswith(f"usage: python -m stxfer.bin.{name} "), (name, out.getvalue())
    heavy = {"torch", "espnet", "espnet2"} & sys.modules.keys()
    assert not heavy, f"{name} imports {heavy}"
"""
    result = subprocess.run([sys.executable, "-c", script, *COMMANDS], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_help_text(command: str) -> None:
    whole = help_text(command)
    parts = re.findall(r"^    ([a-z]\w*)\b", whole, re.MULTILINE)  # the tools of datadir, the corpora of download
    for text in [help_text(command, part) for part in parts] or [whole]:
        options = re.findall(r"^  (--[\w-]+)(?: [^ ].*?)?(?:  +(\S.*)|)\n(?:      +(\S.*))?", text, re.MULTILINE)
        assert all(beside or below for _, beside, below in options), text
        assert options or parts, text


def help_text(*command: str) -> str:
    out = io.StringIO()
    with redirect_stdout(out), pytest.raises(SystemExit) as end:
        importlib.import_module(f"stxfer.bin.{command[0]}").main([*command[1:], "--help"])
    assert end.value.code == 0
    return out.getvalue()


# --- the house ---------------------------------------------------------------------------------------

def shell_files() -> list[Path]:
    found = [path for top in ("egs2", "tools", "utils") for path in (ROOT / top).rglob("*.sh")]
    return sorted(path for path in found if "venv" not in path.parts) + [ROOT / ".ci" / "run"]


def test_shellcheck() -> None:
    shellcheck = shutil.which("shellcheck", path=f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    result = subprocess.run([shellcheck, "-x", *shell_files()], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("directory", RECIPES, ids=lambda path: path.parent.name)
def test_a_recipe_is_short_and_can_be_run(directory: Path) -> None:
    assert len((directory / "run.sh").read_text().splitlines()) <= 40
    of_family = (directory / "conf" / "language.yaml").exists()
    data = ROOT / "egs2/TEMPLATE/common_voice/data.sh" if of_family else directory / "local" / "data.sh"
    assert os.access(directory / "run.sh", os.X_OK) and os.access(data, os.X_OK)
    assert list((directory / "conf").glob("*.yaml"))


def tracked() -> list[str]:
    git = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True)
    if git.returncode != 0:
        pytest.skip("not a git checkout")
    return git.stdout.rstrip("\0").split("\0")


def test_top_level() -> None:
    assert {path.partition("/")[0] for path in tracked()} == {
        ".ci", ".editorconfig", ".gitignore", "CONTRIBUTING.md", "LICENSE", "README.md", "conf", "docs", "egs2",
        "pyproject.toml", "stxfer", "tests", "tools", "utils"}


def test_no_path_of_one_machine() -> None:
    for name in tracked():
        path = ROOT / name
        if path.suffix in {".py", ".sh", ".yaml", ".toml", ".txt", ".md", ""} and path.is_file():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                found = re.search(r"(?<![\w.}])/(?:work|home|root|mnt|Users)/\w", line)
                assert found is None, f"{name}:{number}: {line.strip()}"
