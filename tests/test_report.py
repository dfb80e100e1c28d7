"""The report of made-up scores: JSON, Markdown, figure, and what is refused."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest
from scored import CONFIG, decode, make_dump, make_experiment, set_translations

from stxfer.bin import report as command
from stxfer.bin import score
from stxfer.core.errors import ConfigError, DataError, StaleError
from stxfer.core.stage import Stage
from stxfer.experiment.config import load_experiment
from stxfer.kaldi.table import read_table, write_table
from stxfer.report.runs import read_runs
from stxfer.score.alignment import align
from stxfer.score.mapsswe import mapsswe

CONFIG_OPTION = ["--config", "toy.yaml"]
OUT = Path("exp/report")


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole scored experiment, not to be changed."""
    root = tmp_path_factory.mktemp("scored")
    make_experiment(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        score.main(CONFIG_OPTION)
    return root


@pytest.fixture
def recipe(scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to work in."""
    shutil.copytree(scored, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def report(*options: str) -> dict:
    command.main([*CONFIG_OPTION, *options])
    return json.loads((OUT / "results.json").read_text(encoding="utf-8"))


def test_results_hold_rows_and_comparisons(recipe):
    results = report()
    assert len(results["rows"]) == 2 * 7
    for row in results["rows"]:
        assert set(row) == {"system", "seed", "train_hours", "set", "metric", "value", "n_utts", "n_ref"}
    direct = next(row for row in results["rows"] if (row["system"], row["metric"]) == ("direct", "wer"))
    assert (direct["seed"], direct["train_hours"], direct["set"], direct["n_utts"], direct["n_ref"]) == \
        (1, 0.5, "tgt_test", 40, 240)
    values = {row["system"]: row["value"] for row in results["rows"] if row["metric"] == "wer"}
    pairs = [(c["system"], c["baseline"]) for c in results["comparisons"] if c["metric"] == "wer"]
    assert pairs == [("direct", "scratch"), ("xfer_human", "direct"), ("xfer_mt", "direct"), ("xfer_mt", "xfer_human")]
    for cell in results["comparisons"]:
        assert cell["set"] == "tgt_test" and cell["metric"] in ("wer", "cer") and cell["n_utts"] == 40
        assert cell["ci_low"] <= cell["relative_reduction"] <= cell["ci_high"]
        if cell["metric"] == "wer":
            assert cell["relative_reduction"] == pytest.approx(1 - values[cell["system"]] / values[cell["baseline"]])
    assert results["signatures"]["wer tgt_test"].startswith("wer|norm:sw")
    assert results["name"] == "toy" and "sacrebleu" in results["versions"]


def test_markdown_and_terminal_say_what_beat_what(recipe, capsys):
    results = report("--command", "./run.sh --seeds 1")
    text, out = (OUT / "RESULTS.md").read_text(encoding="utf-8"), capsys.readouterr().out
    first = next(c for c in results["comparisons"] if (c["system"], c["baseline"]) == ("direct", "scratch"))
    sentence = f"direct is better than scratch by {100 * first['relative_reduction']:.1f} % relative WER"
    assert f"- {sentence}" in text and sentence in out and first["n_tests"] == 4
    assert f"but scratch is of little use itself: WER {first['baseline_value']:.1f}, not below 50" in text
    assert "xfer_mt against xfer_human: no difference that the interval confirms" in text
    assert "| xfer_mt | st_mt (all) | 0.50 |" in text and "| st_mt | src_test | 1.00 | BLEU |" in text
    assert "- command: `./run.sh --seeds 1`" in text and "- seeds: `1`" in text
    sample = text.partition("## Samples")[2].partition("## How")[0]
    assert sample.count("  REF ") == 5 and sample.count("  xfer_mt ") == 5 and "sw-0000" in sample
    lines = out.splitlines()
    assert lines[0].split() == ["system", "starts", "from", "hours", "WER", "%", "[95", "%]", "CER", "%", "[95", "%]"]
    assert len({line.rindex("]") for line in lines[1:5]}) == 1, "columns are not aligned"


def test_figure_is_a_png_and_the_report_is_reproducible(recipe):
    report()
    first = {name: (OUT / name).read_bytes() for name in ("results.json", "RESULTS.md", "report.png")}
    assert first["report.png"].startswith(b"\x89PNG")
    report("--force")
    assert first == {name: (OUT / name).read_bytes() for name in first}


def test_a_finished_report_is_left_until_a_score_changes(recipe):
    report()
    path = OUT / "results.json"
    written = path.stat().st_mtime_ns
    assert report()["name"] == "toy" and path.stat().st_mtime_ns == written
    path.write_text(path.read_text(encoding="utf-8").replace('"name": "toy"', '"name": "edited"'), encoding="utf-8")
    assert report()["name"] == "toy"
    decode(recipe, "direct", error=0.3)
    with pytest.raises(StaleError, match="direct/.*has changed"):
        report()
    score.main([*CONFIG_OPTION, "--systems", "direct"])
    assert report()["name"] == "toy"
    path.unlink()
    assert report()["name"] == "toy"


def test_a_requested_system_without_scores_is_named(recipe):
    shutil.rmtree("exp/xfer_mt")
    with pytest.raises(DataError, match="xfer_mt seed 1 is not scored.*--systems xfer_mt"):
        report()
    with pytest.raises(DataError, match="direct seed 7 is not scored"):
        report("--systems", "direct", "--seeds", "7")
    with pytest.raises(ConfigError, match="unknown system"):
        report("--systems", "nobody")
    assert not OUT.exists()


def test_systems_that_were_not_requested_are_shown_if_scored(recipe, caplog):
    shutil.rmtree("exp/xfer_mt")
    decode(recipe, "scratch", error=0.1)  # scored before that: out of date
    results = report("--systems", "direct")
    assert {row["system"] for row in results["rows"]} == {"source_asr", "st_human", "st_mt", "direct", "xfer_human"}
    assert "scratch seed 1 is left out" in caplog.text
    assert "xfer_mt against direct: not compared" in (OUT / "RESULTS.md").read_text(encoding="utf-8")


def test_st_without_reference_is_left_out_and_said_so(recipe, capsys, caplog):
    set_translations(recipe, there=False)
    for system in ("st_human", "st_mt"):
        shutil.rmtree(recipe / "exp" / system)
    with caplog.at_level(logging.INFO):
        score.main(CONFIG_OPTION)
    line = "skipped, dump/fbank/src_test has no text.sw.human to score translations against"
    assert [message for message in caplog.messages if "skipped" in message] == [f"st_human: {line}", f"st_mt: {line}"]
    results = report()
    assert {row["system"] for row in results["rows"]} == {"source_asr", "scratch", "direct", "xfer_human", "xfer_mt"}
    assert results["unscored"] == dict.fromkeys(("st_human", "st_mt"), "src_test/text.sw.human")
    sentence = "st_mt: not scored, there is no reference src_test/text.sw.human"
    assert f"\n- {sentence}\n" in (OUT / "RESULTS.md").read_text("utf-8") and sentence in capsys.readouterr().out


def test_a_reference_that_appears_is_asked_for(recipe):
    set_translations(recipe, there=False)
    shutil.rmtree("exp/st_mt")
    assert "st_mt" in report()["unscored"]
    set_translations(recipe, there=True)
    with pytest.raises(DataError, match="st_mt seed 1 is not scored"):
        report()


def test_seeds_are_pooled(tmp_path, monkeypatch):
    make_experiment(tmp_path, seeds=(1, 2))
    monkeypatch.chdir(tmp_path)
    score.main(CONFIG_OPTION)
    results = report()
    values = [r["value"] for r in results["rows"] if (r["system"], r["metric"]) == ("direct", "wer")]
    found = next(s for s in results["summary"] if (s["system"], s["metric"]) == ("direct", "wer"))
    assert found["value"] == pytest.approx(sum(values) / 2) and found["seeds"] == [1, 2]
    assert found["sd"] == pytest.approx(abs(values[0] - values[1]) / 2 ** 0.5)
    assert f"| {found['value']:.1f} ± {found['sd']:.1f} |" in (OUT / "RESULTS.md").read_text(encoding="utf-8")
    assert results["comparisons"][0]["n_seeds"] == results["comparisons"][0]["n_seeds_baseline"] == 2


@pytest.mark.parametrize(("others", "used"), [((1, 2), 2), ((1,), 1)])
def test_matched_pairs_are_runs_of_one_seed_if_there_are_any(tmp_path, monkeypatch, others, used):
    make_experiment(tmp_path, seeds=(1, 2))
    monkeypatch.chdir(tmp_path)
    for system, seeds in (("xfer_mt", (2,)), ("direct", others)):
        for seed in {1, 2} - {*seeds}:
            shutil.rmtree(f"exp/{system}/seed{seed}")
    for seed in ("1", "2"):
        names = [name for name in ("xfer_mt", "direct") if Path(f"exp/{name}/seed{seed}").exists()]
        score.main([*CONFIG_OPTION, "--systems", " ".join(names), "--seeds", seed])
    cell = next(c for c in report("--systems", "xfer_mt", "--seeds", "2")["comparisons"] if c["metric"] == "wer")
    refs = read_table("dump/fbank/tgt_test/text")
    one, two = (align(list(refs.values()), [hyps[utt] for utt in refs]) for hyps in (
        read_table(f"exp/{name}/seed{seed}/decode/tgt_test/text") for name, seed in (("xfer_mt", 2), ("direct", used))))
    expected = mapsswe(one, two)
    assert (cell["system"], cell["baseline"], expected is not None) == ("xfer_mt", "direct", True)
    assert cell["mapsswe"] == {"p": expected.p, "z": expected.z, "segments": expected.segments}


def test_a_difference_that_does_not_vary_is_reported_without_p(recipe):
    """One word less wrong in each utterance, in one segment each."""
    refs = read_table("dump/fbank/tgt_test/text")
    for system, more in (("direct", 0), ("scratch", 1)):
        folder = Path(f"exp/{system}/seed1/decode/tgt_test")
        write_table(folder / "text", {utt: " ".join(["zz"] * (i % 3 + more) + text.split()[i % 3 + more:])
                                      for i, (utt, text) in enumerate(refs.items())})
        Stage(f"decode {system}", folder).finish([folder / "text"])
    score.main(CONFIG_OPTION)
    cell = next(c for c in report()["comparisons"] if (c["baseline"], c["metric"]) == ("scratch", "wer"))
    assert cell["ci_low"] > 0 and cell["p"] is None and cell["verdict"] == "too few to tell"
    assert cell["mapsswe"] == {"p": None, "z": None, "segments": 40}
    text = (OUT / "RESULTS.md").read_text(encoding="utf-8")
    assert "- direct against scratch: too few to tell (+50.6 % relative WER; 40 utterances)\n" in text
    row = next(line for line in text.splitlines() if line.startswith("| direct | scratch | WER |"))
    assert "| utterances | - | - | - | &lt;0.001 | too few to tell |" in row


@pytest.mark.parametrize("metric", ["wer", "cer"])
def test_an_utterance_that_lacks_a_score_is_named(recipe, metric):
    path = next(Path("exp/direct").glob("seed*/decode/*/score/utts.jsonl"))
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    del rows[1][metric]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    with pytest.raises(DataError, match=f"utts.jsonl:2: {metric}: is missing; remove it and run stage 'score' again"):
        read_runs(load_experiment("toy.yaml"), Path("exp"), allow_stale=True)


def test_statistics_are_computed_once(recipe):
    run = read_runs(load_experiment("toy.yaml"), Path("exp"), systems=["st_mt"])["st_mt"][0]
    assert run.statistics("bleu") is run.statistics("bleu") and run.statistics("bleu").shape[0] == 40


def test_translators_are_shown_if_scored(recipe):
    for label, kept in (("mt", 200), ("clean", 100), ("strict", 0)):
        path = Path(f"exp/mt/{label}/score/score.json")
        path.parent.mkdir(parents=True)
        score = {"pairs": 200, "kept": kept}
        if kept:
            score["metrics"] = {"bleu": {"value": 65.8 - kept / 100, "n_utts": kept, "n_ref": 6 * kept}}
        path.write_text(json.dumps(score), encoding="utf-8")
    assert report()["mt"] == [
        {"label": "clean", "metric": "bleu", "value": 64.8, "n_utts": 100, "n_ref": 600, "kept": 0.5},
        {"label": "mt", "metric": "bleu", "value": 63.8, "n_utts": 200, "n_ref": 1200, "kept": 1.0}]
    written = (OUT / "RESULTS.md").read_text("utf-8")
    assert "| translator of label clean, 50 % kept | bitext test | text only | BLEU | 64.8 |" in written
    assert "| translator of label mt | bitext test | text only | BLEU | 63.8 |" in written


def test_st_systems_compare_by_bleu_and_unlike_systems_do_not(recipe):
    config = Path("toy.yaml")
    config.write_text(CONFIG.replace("compare: [", "compare: [[st_human, st_mt], "), encoding="utf-8")
    assert [c["metric"] for c in report()["comparisons"][:2]] == ["bleu", "chrf"]
    config.write_text(CONFIG.replace("compare: [", "compare: [[direct, st_mt], "), encoding="utf-8")
    with pytest.raises(DataError, match="direct .*st_mt .*no score in common"):
        report()


@pytest.mark.parametrize("n_utts, told", [
    (1, "too few to tell (+"), (12, "; 12 utterances)"), (29, "; 29 utterances)")])
def test_a_small_test_set_proves_nothing(tmp_path, monkeypatch, n_utts, told):
    make_experiment(tmp_path, n_utts=n_utts)
    monkeypatch.chdir(tmp_path)
    score.main(CONFIG_OPTION)
    comparisons = [c for c in report()["comparisons"] if c["relative_reduction"] is not None]
    assert comparisons and {c["verdict"] for c in comparisons} == {"too few to tell"}
    text = (OUT / "RESULTS.md").read_text(encoding="utf-8")
    assert told in text and " beats " not in text and " is worse than " not in text and " is better than " not in text
    assert "| too few to tell |" in text and "fewer than 30 utterances" in text


@pytest.mark.parametrize("n_speakers, told, over", [
    (1, "40 utterances of 1 speaker: for that speaker alone; one seed)", "utterances"),
    (4, "40 utterances of 4 speakers: for those speakers alone; one seed)", "utterances"),
    (8, "40 utterances of 8 speakers; one seed)", "speakers"),
    (None, "40 utterances, not known of whom; one seed)", "utterances")])
def test_a_verdict_says_for_which_speakers_it_holds(recipe, n_speakers, told, over):
    if n_speakers:
        text = "".join(f"sw-{i:04d} speaker{i % n_speakers}\n" for i in range(40))
        Path("dump/fbank/tgt_test/utt2spk").write_text(text, "utf-8")
        score.main(CONFIG_OPTION)
    first = next(c for c in report()["comparisons"] if (c["baseline"], c["metric"]) == ("scratch", "wer"))
    assert first["verdict"] == "better" and first["over"] == [over] and first["n_speakers"] == n_speakers
    assert set(first["intervals"]) == {"utterances", over}
    lines = (OUT / "RESULTS.md").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("- direct is better than scratch by ") and told in line for line in lines)


def test_the_report_says_how_many_utterances_would_tell(recipe):
    cell = next(c for c in report()["comparisons"] if (c["system"], c["metric"]) == ("xfer_mt", "wer")
                and c["baseline"] == "xfer_human")
    assert cell["verdict"] == "unclear" and cell["needed"] > 1000
    text = (OUT / "RESULTS.md").read_text(encoding="utf-8")
    assert f"; a test set of about {cell['needed']:,} utterances would show a difference of this size" in text
    assert f"| unclear | {cell['needed']:,} |" in text


def test_scores_of_different_references_are_refused(recipe):
    path = recipe / "dump/fbank/tgt_test/text"
    path.write_text(path.read_text(encoding="utf-8").replace("mtoto", "watoto"), encoding="utf-8")
    score.main([*CONFIG_OPTION, "--systems", "direct", "--allow-stale"])
    with pytest.raises(DataError, match="different references"):
        report("--allow-stale")


def test_without_target_systems_there_is_no_report(tmp_path, monkeypatch):
    make_dump(tmp_path)
    (tmp_path / "toy.yaml").write_text(CONFIG, encoding="utf-8")
    decode(tmp_path, "source_asr")
    monkeypatch.chdir(tmp_path)
    score.main([*CONFIG_OPTION, "--systems", "source_asr"])
    with pytest.raises(DataError, match="no target system is scored"):
        report("--systems", "source_asr")


def test_variants_stand_beside_their_systems(recipe):
    config = CONFIG + """
lm: {sw: {text: [tgt_train]}}
variants: {lm: {target: {lm: sw, tune: {lm_weight: [0.1, 0.4]}}}}
"""
    pairs = "[direct+lm, direct], [xfer_mt+lm, direct+lm]"
    Path("toy.yaml").write_text(config.replace("compare: [", f"compare: [{pairs}, "))
    for name in ("direct", "xfer_mt"):
        plain = Path(f"exp/{name}/seed1/decode/tgt_test")
        fused = decode(recipe, name, error=0.1 if name == "direct" else 0.05)
        shutil.copytree(fused, f"{plain}+lm", ignore=shutil.ignore_patterns("score"))
        decode(recipe, name)
        options = {"lm": "sw", "lm_weight": 0.4, "length_bonus": 0.5, "ctc_weight": 0.3}
        Path(f"{plain}+lm/decode.json").write_text(json.dumps({"utterances": 40, "options": options}))
        Path(f"{plain}+lm/tune.json").write_text(json.dumps({"set": "tgt_dev"}))
    Path("exp/lm/sw").mkdir(parents=True)
    dev = {"perplexity": 9.0, "word_perplexity": 300.0, "sentences": 6}
    Path("exp/lm/sw/model.json").write_text(json.dumps({"dev": dev}))
    score.main([*CONFIG_OPTION, "--systems", "direct xfer_mt+lm"])
    results = report("--systems", "direct xfer_mt+lm")
    wers = {row["system"]: row["value"] for row in results["rows"] if row["metric"] == "wer"}
    assert wers["direct+lm"] < wers["direct"] and wers["xfer_mt+lm"] < wers["xfer_mt"] and "scratch+lm" not in wers
    pairs = {(cell["system"], cell["baseline"]): cell for cell in results["comparisons"] if cell["metric"] == "wer"}
    assert pairs["direct+lm", "direct"]["verdict"] == "better" and ("xfer_mt+lm", "direct+lm") in pairs
    text = (OUT / "RESULTS.md").read_text(encoding="utf-8")
    assert "| direct+lm | source_asr (encoder, decoder_body) |" in text
    assert "| direct+lm | sw | 0.4 | 0.5 | 0.3 | tgt_dev |" in text and "| direct | - | - | - | - | - |" in text
    assert "Language model sw: perplexity 9.00 a token, 300.0 a word, on 6 sentences of the development set." in text
    assert json.loads(Path("exp/direct/seed1/decode/tgt_test+lm/score/score.json").read_text())["system"] == "direct+lm"
