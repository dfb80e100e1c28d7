"""Error rates against an independent alignment, translation scores, and stage 11."""

from __future__ import annotations

import json
from pathlib import Path

import jiwer
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as some
from scored import decode, make_experiment

from stxfer.bin import score as command
from stxfer.core.errors import ConfigError, DataError, StaleError
from stxfer.core.stage import Stage
from stxfer.kaldi.table import write_table
from stxfer.score.asr import ErrorCounts, char_errors, pair, word_errors
from stxfer.score.st import scores_of_sums, sentence_statistics, translation_scores

SENTENCE = some.lists(some.sampled_from(["a", "b", "c", "ab"]), max_size=7).map(" ".join)


def edit_distance(ref: list[str], hyp: list[str]) -> int:
    """The textbook dynamic programme, row by row."""
    row = list(range(len(hyp) + 1))
    for i, r in enumerate(ref, 1):
        before, row[0] = row[0], i
        for j, h in enumerate(hyp, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (r != h))
    return row[-1]


@given(some.lists(some.tuples(SENTENCE, SENTENCE), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_counts_agree_with_a_plain_alignment(pairs):
    refs = {"z": "a b", **{f"u{i}": ref for i, (ref, _) in enumerate(pairs)}}
    hyps = {"z": "b", **{f"u{i}": hyp for i, (_, hyp) in enumerate(pairs)}}
    for errors, units in ((word_errors(refs, hyps, "n"), str.split), (char_errors(refs, hyps, "n"), list)):
        for utt, counts in errors.utts.items():
            ref, hyp = units(refs[utt]), units(hyps[utt])
            assert counts.errors == edit_distance(ref, hyp)
            assert counts.n_ref == len(ref)
            assert counts.n_ref - counts.del_ + counts.ins == len(hyp)
            assert min(counts.sub, counts.del_, counts.ins) >= 0
        assert errors.total.n_utts == len(refs)
        assert errors.total.errors == sum(counts.errors for counts in errors.utts.values())


@given(some.lists(some.tuples(SENTENCE, SENTENCE), min_size=1, max_size=6))
def test_counts_are_jiwers(pairs):
    """Substitutions, deletions and insertions each, of equally short alignments."""
    refs = {"z": "a b", **{f"u{i}": ref for i, (ref, _) in enumerate(pairs) if ref}}
    hyps = {"z": "b a", **{f"u{i}": hyp for i, (ref, hyp) in enumerate(pairs) if ref}}
    sides = list(refs.values()), list(hyps.values())
    for errors, theirs in ((word_errors(refs, hyps, "n"), jiwer.process_words(*sides)),
                           (char_errors(refs, hyps, "n"), jiwer.process_characters(*sides))):
        assert (errors.total.sub, errors.total.del_, errors.total.ins) == \
            (theirs.substitutions, theirs.deletions, theirs.insertions)


def test_known_word_errors():
    errors = word_errors({"u1": "a b c d", "u2": "e f"}, {"u1": "a x c", "u2": "e f g"}, "norm:none")
    assert errors.total == ErrorCounts(n_utts=2, n_ref=6, sub=1, del_=1, ins=1)
    assert errors.total.rate == pytest.approx(50.0)
    assert errors.signature.startswith("wer|norm:none|rapidfuzz:")


def test_characters_count_the_space_between_words():
    joined = char_errors({"u": "ab cd"}, {"u": "abcd"}, "n")
    assert joined.total == ErrorCounts(n_utts=1, n_ref=5, sub=0, del_=1, ins=0)
    assert char_errors({"u": "ab cd"}, {"u": " ab  cd "}, "n").total.errors == 0


def test_missing_hypothesis_is_all_deletions():
    errors = word_errors({"u1": "a b c", "u2": "d"}, {"u2": "d"}, "n")
    assert errors.utts["u1"] == ErrorCounts(n_utts=1, n_ref=3, sub=0, del_=3, ins=0)
    assert pair({"u1": "a", "u2": "d"}, {"u2": "d"}) == ({"u1": "", "u2": "d"}, ["u1"])


def test_rate_can_pass_100_and_nothing_to_score_is_refused():
    assert word_errors({"u": "a"}, {"u": "b c d"}, "n").total.rate == pytest.approx(300.0)
    with pytest.raises(DataError, match="no reference"):
        word_errors({"u": ""}, {"u": "a"}, "n")


def test_hypothesis_for_unknown_utterance_is_named():
    with pytest.raises(DataError, match="'stranger'"):
        word_errors({"u": "a"}, {"u": "a", "stranger": "b"}, "n")


def test_translation_scores_are_sacrebleus():
    refs, hyps = ["a b c d e f", "g h i j"], ["a b c d x f", ""]
    scores = translation_scores(refs, hyps, "norm:sw")
    assert scores["bleu"].value == pytest.approx(sacrebleu.corpus_bleu(hyps, [refs]).score)
    assert scores["chrf"].value == pytest.approx(sacrebleu.corpus_chrf(hyps, [refs]).score)
    assert (scores["bleu"].n_utts, scores["bleu"].n_ref, scores["chrf"].n_ref) == (2, 10, 10)
    assert scores["bleu"].signature.startswith("bleu|norm:sw|nrefs:1|") and "tok:13a" in scores["bleu"].signature
    for metric, score in scores.items():  # what the bootstrap sums gives the public score
        sums = sentence_statistics(metric, refs, hyps).sum(axis=0, keepdims=True)
        assert scores_of_sums(metric, sums)[0] == pytest.approx(score.value)
    with pytest.raises(DataError, match="1 translations for 2"):
        translation_scores(refs, ["a"], "n")


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_experiment(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def score(*options: str) -> None:
    command.main(["--config", "toy.yaml", *options])


def read_score(system: str, name: str = "tgt_test") -> tuple[dict, list[dict]]:
    folder = Path("exp") / system / "seed1" / "decode" / name / "score"
    return (json.loads((folder / "score.json").read_text(encoding="utf-8")),
            [json.loads(line) for line in (folder / "utts.jsonl").read_text(encoding="utf-8").splitlines()])


def test_stage_scores_every_system(recipe, capsys):
    score()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7 and "chrF" in lines[1]
    found, utts = read_score("direct")
    assert (found["system"], found["seed"], found["set"], found["task"]) == ("direct", 1, "tgt_test", "asr")
    assert found["train_hours"] == pytest.approx(0.5) and found["missing"] == 0
    wer = found["metrics"]["wer"]
    assert wer["n_utts"] == len(utts) == 40 and wer["n_ref"] == 240 and "norm:sw" in wer["signature"]
    assert wer["value"] == pytest.approx(100 * (wer["sub"] + wer["del"] + wer["ins"]) / wer["n_ref"])
    assert sum(utt["wer"]["sub"] for utt in utts) == wer["sub"] > 0
    found, utts = read_score("st_mt", "src_test")
    assert set(found["metrics"]) == {"bleu", "chrf"} and found["train_hours"] == pytest.approx(1.0)
    assert set(utts[0]) == {"utt", "speaker", "ref", "hyp"} and utts[0]["speaker"] is None
    assert "norm:en" in read_score("source_asr", "src_test")[0]["metrics"]["wer"]["signature"]


def test_a_finished_score_is_left_until_the_hypotheses_change(recipe):
    score("--systems", "direct")
    path = Path("exp/direct/seed1/decode/tgt_test/score/score.json")
    written = path.stat().st_mtime_ns
    score("--systems", "direct")
    assert path.stat().st_mtime_ns == written
    path.write_text(path.read_text(encoding="utf-8").replace('"missing": 0', '"missing": 99'), encoding="utf-8")
    score("--systems", "direct")
    assert read_score("direct")[0]["missing"] == 0, "it was edited"
    decode(recipe, "direct", error=0.0)
    score("--systems", "direct")
    assert read_score("direct")[0]["metrics"]["wer"]["value"] == 0 and read_score("direct")[0]["missing"] == 0


def test_hypotheses_out_of_date_are_refused(recipe):
    folder, model = recipe / "exp/direct/seed1/decode/tgt_test", recipe / "model.pth"
    model.write_text("1")
    stage = Stage("decode direct", folder, inputs=[model])
    stage.begin()
    stage.finish([folder / "text"])
    model.write_text("2")
    with pytest.raises(StaleError, match="model.pth has changed"):
        score("--systems", "direct")
    score("--systems", "direct", "--allow-stale")
    assert read_score("direct")[0]["metrics"]["wer"]["value"] > 0


def test_missing_hypotheses_are_counted_and_reported(recipe, caplog):
    folder = recipe / "exp/direct/seed1/decode/tgt_test"
    lines = (folder / "text").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "text").write_text("".join(lines[1:]), encoding="utf-8")
    Stage("decode direct", folder).finish([folder / "text"])
    score("--systems", "direct")
    found, utts = read_score("direct")
    assert found["missing"] == 1 and utts[0]["hyp"] == "" and utts[0]["wer"]["del"] == 6
    assert "1 of 40 utterances have no hypothesis" in caplog.text and "sw-0000" in caplog.text


@pytest.mark.parametrize("spoil, message", [
    (lambda d: (d / "exp/direct/seed1/decode/tgt_test/.stage.json").unlink(), "seed 1 is not decoded.*--stage decode"),
    (lambda d: (d / "dump/fbank/tgt_test/text").unlink(), "fbank/tgt_test/text: no such file"),
    (lambda d: (d / "dump/fbank/tgt_test/text").write_text("sw-0000 Mtoto.\n"), "'sw-0000' is not normalised"),
    (lambda d: (d / "dump/fbank/tgt_test/text").write_text("sw-0000 a\n"), "text against .*utterance 'sw-0001'"),
    (lambda d: (d / "dump/fbank/tgt_train/utt2dur").write_text("u x\n"), "utt2dur: durations must be seconds"),
    (lambda d: (d / "exp/direct/seed1/decode/tgt_test/text").unlink(), "decode/tgt_test/text: no such file"),
])
def test_bad_input_is_named_and_nothing_is_written(recipe, spoil, message):
    spoil(recipe)
    with pytest.raises(DataError, match=message):
        score("--systems", "direct", "--allow-stale")
    out = recipe / "exp/direct/seed1/decode/tgt_test/score"
    assert not (out / ".stage.json").exists() and not (out / "score.json").exists()


def test_hours_are_those_that_training_recorded(recipe, caplog):
    model = Path("exp/direct/seed1/model.json")
    write_table("dump/fbank/tgt_train/utt2dur", {"u": "3600", "sp0.9-u": "4000", "sp1.1-u": "3272.727"})
    score("--systems", "direct", "--allow-stale")
    assert "model.json does not say how much speech the model was trained on" in caplog.text
    found, _ = read_score("direct")
    assert (found["train_hours"], found["train_hours_with_copies"]) == (1, pytest.approx(3.0202))
    model.write_text(json.dumps({"task": "asr", "train": {"utterances": 9, "hours": 0.25, "hours_with_copies": 0.75}}))
    score("--systems", "direct", "--allow-stale", "--force")
    found, _ = read_score("direct")
    assert (found["train_hours"], found["train_hours_with_copies"]) == (0.25, 0.75)


def test_bad_options_are_named(recipe, capsys):
    with pytest.raises(ConfigError, match="unknown system 'nobody'"):
        score("--systems", "nobody")
    with pytest.raises(SystemExit):
        score("--seeds", "one")
    assert "whole numbers" in capsys.readouterr().err
