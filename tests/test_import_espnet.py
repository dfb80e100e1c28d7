"""ESPnet experiments in the comparison: what is read, how figures differ, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from scored import make_experiment

from stxfer.bin import import_espnet, report, score
from stxfer.core.errors import ConfigError, DataError, StxferError
from stxfer.core.fileio import read_json
from stxfer.core.stage import Stage
from stxfer.kaldi.table import read_table, write_table
from stxfer.score import imported

ESPNET = Path("espnet/exp/asr_train_conformer")
DECODE = "decode_asr_model_valid.acc.ave"
REFS = Path("dump/fbank/tgt_test/text")
RESULTS = """# RESULTS
## Environments
- date: `Mon Jan 31 10:53:20 EST 2022`

## exp/{experiment}
### WER

|dataset|Snt|Wrd|Corr|Sub|Del|Ins|Err|S.Err|
|---|---|---|---|---|---|---|---|---|
|{decode}/dev|40|240|80.0|15.0|5.0|2.0|22.0|60.0|
|{decode}/test|40|238|85.0|10.0|5.0|1.5|16.5|50.0|

### CER

|dataset|Snt|Wrd|Corr|Sub|Del|Ins|Err|S.Err|
|---|---|---|---|---|---|---|---|---|
|{decode}/test|40|1400|90.0|7.0|3.0|1.0|11.0|50.0|
"""


def take(*options: str) -> None:
    import_espnet.main([str(ESPNET), "--config", "toy.yaml", *options])


def hypotheses(name: str = f"{DECODE}/test") -> Path:
    return ESPNET / name / "text"


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An experiment and an ESPnet one of the same test set, each eighth word wrong, written in capitals."""
    make_experiment(tmp_path)
    monkeypatch.chdir(tmp_path)
    refs = read_table(REFS)
    words = {utt: text.upper().split() for utt, text in refs.items()}
    write_table(hypotheses(), {utt: " ".join("XX" if (number + len(utt) * i) % 8 == 0 else word
                                             for i, word in enumerate(of)) for number, (utt, of) in
                               enumerate(words.items())})
    write_table(hypotheses(f"{DECODE}/org/dev"), {"sw-dev-1": "HABARI"})
    trn = hypotheses().parent / "score_wer" / "ref.trn"
    trn.parent.mkdir()
    trn.write_text("".join(f"{' '.join(of)} (spk-1-{utt})\n" for utt, of in words.items()), encoding="utf-8")
    (ESPNET / "config.yaml").write_text("encoder: conformer\ndecoder: transformer\nmax_epoch: 60\nscheduler_conf: {}\n")
    (ESPNET / "RESULTS.md").write_text(RESULTS.format(experiment=ESPNET.name, decode=DECODE), encoding="utf-8")
    return tmp_path


def test_an_experiment_is_compared_like_a_system(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    take("--name", "conformer", "--hours", "2.5")
    told = capsys.readouterr().out
    found = read_json(Path("exp/conformer/seed1/decode/tgt_test/score/score.json"))
    hyps, refs = read_table(hypotheses()), read_table(REFS)
    wrong = sum(word == "XX" for text in hyps.values() for word in text.split())
    assert found["metrics"]["wer"]["value"] == pytest.approx(100 * wrong / 240) and found["train_hours"] == 2.5
    first = min(refs)
    assert told == (f"conformer: imported from {hypotheses()} (encoder conformer, decoder transformer, max_epoch 60); "
                    f"WER here {100 * wrong / 240:.1f} of 240 words, ESPnet's own 16.5 of 238: normalising changes 40 "
                    f"references and 40 hypotheses, e.g. {refs[first].upper()!r} is {refs[first]!r}\n")
    score.main(["--config", "toy.yaml"])
    report.main(["--config", "toy.yaml"])
    results = read_json(Path("exp/report/results.json"))
    pairs = {(cell["system"], cell["baseline"]): cell for cell in results["comparisons"] if cell["metric"] == "wer"}
    assert pairs["direct", "conformer"]["verdict"] == "worse" and len(pairs) == 4 + 3
    assert {name for name, baseline in pairs if baseline == "conformer"} == {"direct", "xfer_human", "xfer_mt"}
    text = Path("exp/report/RESULTS.md").read_text(encoding="utf-8")
    assert "| conformer | ESPnet | 2.50 |" in text and f"- {told}" in text
    assert "direct is worse than conformer by " in text
    report.main(["--config", "toy.yaml", "--systems", "conformer"])  # by its name
    capsys.readouterr()
    take("--name", "conformer", "--hours", "2.5")  # again: nothing changes
    assert Path("exp/report/results.json").stat().st_mtime_ns and capsys.readouterr().out.endswith(told)


def train_hours() -> float:
    hours: float = read_json(Path("exp/espnet/seed1/decode/tgt_test/score/score.json"))["train_hours"]
    return hours


def test_hours_may_be_given_later_and_taken_back(recipe: Path) -> None:
    for options, hours in (((), 0.5), (("--hours", "2.5"), 2.5), ((), 0.5)):
        take(*options)
        assert train_hours() == hours


@pytest.mark.parametrize("killed_in", ["write_table", "score_system"])
@pytest.mark.parametrize("hours", [2.5, 3.0])
def test_a_killed_import_leaves_no_hours_of_another(recipe: Path, monkeypatch: pytest.MonkeyPatch, killed_in: str,
                                                    hours: float) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    take("--hours", "2.5")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(imported, killed_in, killed)
        take("--hours", "3")
    take("--hours", str(hours))
    assert train_hours() == hours


def test_without_figures_and_references_of_its_own(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (ESPNET / "RESULTS.md").unlink()
    take()
    assert capsys.readouterr().out.endswith("of 240 words; ESPnet's own figure was not found\n")
    (ESPNET.parent / "RESULTS.md").write_text(RESULTS.format(experiment=ESPNET.name, decode=DECODE) +
                                              RESULTS.format(experiment="asr_other", decode=DECODE))
    (hypotheses().parent / "score_wer/ref.trn").unlink()
    take("--force")
    told = capsys.readouterr().out
    assert told.endswith("ESPnet's own 16.5 of 238: normalising changes references that are not known and 40 "
                         "hypotheses\n")


def second_set() -> None:
    write_table(hypotheses(f"{DECODE}/test_again"), read_table(hypotheses()))


def without_hypotheses() -> None:
    for name in (f"{DECODE}/test", f"{DECODE}/org/dev"):
        hypotheses(name).unlink()


def change(edit: Callable[[list[str]], list[str]], path: Callable[[], Path] = hypotheses) -> Callable[[], None]:
    def changed() -> None:
        path().write_text("".join(edit(path().read_text(encoding="utf-8").splitlines(True))), encoding="utf-8")
    return changed


@pytest.mark.parametrize(("damage", "options", "message"), [
    (change(lambda lines: lines[:-2]), (), "text: no hypothesis for 2 utterances, e.g. sw-0038; systems are compared"),
    (change(lambda lines: [*lines, "stranger HABARI\n"]), (),
     "text: a hypothesis for, beside the test set's, 1 utterance, e.g. stranger; systems are compared"),
    (change(lambda lines: [*lines, lines[0]]), (), "text:41: duplicate key 'sw-0000'; keys must be unique"),
    (change(lambda lines: [line.replace("sw-", "other-") for line in lines]), (),
     "none of its hypotheses .*org/dev.*is for an utterance of the test set, e.g. sw-0000"),
    (change(lambda lines: ["sw-0000\n", *lines[1:]], lambda: REFS), (), "text:1: key 'sw-0000' has no value"),
    (without_hypotheses, (), "an ESPnet experiment without hypotheses .*; run ESPnet's decoding stage"),
    (lambda: (ESPNET / "config.yaml").unlink(), (), "no ESPnet experiment directory, it has no config.yaml"),
    (lambda: (ESPNET / "config.yaml").write_text("a: [1"), (), "config.yaml: cannot be read"),
    (lambda: (ESPNET / "config.yaml").write_text("!!python/object/apply:os.getcwd []"), (),
     "config.yaml: cannot be read"),
    (lambda: (ESPNET / "config.yaml").write_text("7"), (), "config.yaml: not the configuration of an ESPnet model"),
    (second_set, (), "several hypotheses are for this test set, .*test, .*test_again; choose one with --hypotheses"),
    (lambda: None, ("--hypotheses", "decode/test"), f"no hypotheses 'decode/test'; there are {DECODE}/test, "),
    (lambda: None, ("--name", "direct"), "--name direct: a system of the experiment; choose another name"),
    (lambda: None, ("--name", "a b"), "--name: 'a b' must be a name: letters, digits"),
    (lambda: Stage("system", Path("exp/other/seed1")).finish([]), ("--name", "other"),
     "--name other: exp/other/seed1 holds a system that was trained here; choose another name"),
    (lambda: None, ("--seed", "7"), "--seed 7: the report reads the seeds of the experiment; choose one of them: 1"),
    (lambda: None, ("--hours", "0"), "--hours 0.0: must be a number of hours above 0"),
    (lambda: None, ("--hours", "nan"), "--hours nan: must be"), (lambda: None, ("--hours", "inf"), "--hours inf: must"),
    (change(lambda lines: [line.replace("sw", "th") for line in lines], lambda: Path("toy.yaml")), (),
     "th is written without spaces: ESPnet's words are not counted")])
def test_what_does_not_fit_is_refused_in_a_line(recipe: Path, damage: Callable[[], None], options: tuple[str, ...],
                                                message: str) -> None:
    damage()
    with pytest.raises((DataError, ConfigError), match=message) as raised:
        take(*options)
    assert not Path("exp/other/seed1/decode").exists()
    assert isinstance(raised.value, StxferError) and "\n" not in str(raised.value)
    assert not Path("exp/espnet").exists()


def test_one_of_several_hypotheses_is_chosen(recipe: Path) -> None:
    second_set()
    take("--hypotheses", f"{DECODE}/test_again")
    assert read_json(Path("exp/espnet/seed1/decode/tgt_test/espnet.json"))["own_wer"] is None
