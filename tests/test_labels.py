"""Labels: which utterances they have, what they say of themselves, and what is left of a killed run."""

from __future__ import annotations

import csv
import itertools
import json
import os
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import toy

from stxfer.bin import make_labels as make_labels_cli
from stxfer.core.digests import REMEMBERED
from stxfer.core.errors import ConfigError, DataError, StxferError
from stxfer.core.fileio import read_json
from stxfer.experiment.config import Experiment
from stxfer.kaldi.table import read_table, write_table
from stxfer.mt.draw import draw
from stxfer.mt.labels import make_labels, why_empty
from stxfer.mt.open import KINDS
from stxfer.mt.quality import evaluate_translator
from stxfer.mt.translator import Closing, Translation
from stxfer.mt.translators.kind import Kind, LabelSource
from stxfer.text.profiles import profile

DUMP, EXP = Path("dump"), Path("exp")
MT = DUMP / "labels/mt/src_train"


class Fake(Closing):
    """Translates word by word; sentences of ``silent`` have no translation, and ``fatal`` ends it."""

    version = 1
    silent: tuple[str, ...] = ()
    fatal = ""
    kill = False
    calls: list[list[str]] = []
    opened = closed = 0

    def __init__(self) -> None:
        type(self).opened += 1

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"kind": "fake", "version": self.version}

    def translate(self, sentences: Sequence[str], nbest: int = 1,
                  keys: Sequence[str] = ()) -> list[list[Translation]]:
        if self.fatal in sentences:
            if self.kill:
                os.kill(os.getpid(), signal.SIGKILL)
            raise StxferError("the engine ended (exit status 9)")
        self.calls.append(list(sentences))
        return [[] if s in self.silent else
                [Translation(toy.swahili(s) + " tena" * n, -float(len(s)) - n) for n in range(nbest)]
                for s in sentences]

    def close(self) -> None:
        type(self).closed += 1


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Fake]:
    """A working directory with a dump, and a translator for every label source."""
    toy.make_dump(tmp_path)
    monkeypatch.chdir(tmp_path)

    class Own(Fake):
        calls: list[list[str]] = []

    class OwnKind(Kind):
        advice = KINDS["trained"].advice

        def reads_raw(self, options: Any) -> bool:
            return getattr(options, "text", "") == "raw"

        def identity(self, source: LabelSource) -> dict[str, Any]:
            return {"kind": "fake", "version": Own.version}

        def open(self, source: LabelSource, identity: Mapping[str, Any], threads: int) -> Own:
            return Own()

    monkeypatch.setattr("stxfer.mt.open.KINDS", {"trained": OwnKind(), "apertium": OwnKind()})
    return Own


def experiment(**labels: Any) -> Experiment:
    return toy.make_experiment(Path.cwd(), labels={"mt": {}, **labels})[0]


def source(name: str = "src_train") -> dict[str, str]:
    return read_table(DUMP / "fbank" / name / "text")


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_labels_are_of_the_utterances_kept(fake: type[Fake]) -> None:
    text = source()
    fake.silent = (list(text.values())[3],)
    lost = [utt for utt, value in text.items() if value in fake.silent]
    counts = make_labels(experiment(), DUMP, EXP)
    assert lost and read_table(MT / "text.sw.mt") == {utt: toy.swahili(value) for utt, value in text.items()
                                                      if utt not in lost}
    assert counts["mt src_train"] == 24 - len(lost)
    record = read_json(MT / "labels.json")
    assert record["label"] == "mt" and record["translator"] == {"kind": "fake", "version": 1}
    assert record["text"] == "dump/fbank/src_train/text" and len(record["text_sha256"]) == 64
    assert (record["utterances"], record["kept"], record["dropped"]) == (24, 24 - len(lost),
                                                                         {"empty translation": len(lost)})
    assert (MT / "dropped.tsv").read_text(encoding="utf-8") == "".join(
        f"{utt}\tempty translation: the translator has none\t{text[utt]}\t\n" for utt in lost)
    sample = rows(MT / "sample.tsv")
    assert len(sample) == 24 and sample[-1]["dropped"] == "empty translation: the translator has none"
    first = text["src_train-00"]
    assert sample[0] == {"utt": "src_train-00", "source": first, "label": toy.swahili(first),
                         "score": f"{-len(first):.3f}", "human": toy.swahili(first), "dropped": ""}
    assert (fake.opened, fake.closed) == (1, 1)
    assert make_labels(experiment(), DUMP, EXP) == counts
    assert fake.opened == 1


def test_equal_sentences_are_translated_once_and_the_longest_first(fake: type[Fake]) -> None:
    text = source()
    write_table(DUMP / "fbank/src_train/text", text | {f"{utt}-sp0.9": value for utt, value in text.items()})
    make_labels(experiment(), DUMP, EXP, shard=10)
    train = list(itertools.chain(*fake.calls[:3]))
    assert Counter(train) == Counter(set(text.values())) and list(map(len, fake.calls[:3])) == [10, 10, 4]
    assert [len(s) for s in train] == sorted((len(s) for s in train), reverse=True)
    labels = read_table(MT / "text.sw.mt")
    assert labels == {utt: toy.swahili(value.removesuffix("-sp0.9")) for utt, value in read_table(
        DUMP / "fbank/src_train/text").items()}
    assert len(labels) == 48


@pytest.mark.parametrize("kill", [True, False])
def test_a_translator_that_ends_half_way(fake: type[Fake], kill: bool, tmp_path: Path) -> None:
    """Killed together with the process, or alone: finished shards are kept, and the result is as if it had not."""
    whole = experiment()
    make_labels(whole, Path("dump"), EXP, shard=5)
    expected = {path.name: path.read_bytes() for path in MT.iterdir() if path.name != REMEMBERED}
    finished = (DUMP / "translations/mt/src_train/translations.jsonl").read_bytes()
    done = list(itertools.chain(*fake.calls[:5]))
    for path in ("labels", "translations"):
        (DUMP / path).rename(tmp_path / f"{path}.whole")
    fake.calls.clear()

    fake.fatal, fake.kill = done[17], kill
    if kill:
        pid = os.fork()
        if pid == 0:
            try:
                make_labels(whole, DUMP, EXP, shard=5)
            finally:
                os._exit(0)
        assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    else:
        with pytest.raises(StxferError, match=r"labels mt src_train: after 15 of 24 sentences the translator failed: "
                                              r"the engine ended \(exit status 9\); what is translated is kept, "
                                              "the same command resumes there"):
            make_labels(whole, DUMP, EXP, shard=5)
    assert not (DUMP / "labels/mt/src_train").exists()
    fake.fatal = ""
    fake.calls.clear()
    make_labels(whole, DUMP, EXP, shard=5)
    assert list(itertools.chain(*fake.calls[:2])) == done[15:], "nothing twice, nothing lost"
    assert (DUMP / "translations/mt/src_train/translations.jsonl").read_bytes() == finished
    assert {path.name: path.read_bytes() for path in MT.iterdir() if path.name != REMEMBERED} == expected
    assert not list(DUMP.glob("translations/mt/.*"))


def test_shards_of_another_translator_are_not_used(fake: type[Fake]) -> None:
    fake.fatal = sorted(source().values(), key=lambda s: (-len(s), s))[10]
    with pytest.raises(StxferError, match="after 8 of 24"):
        make_labels(experiment(), DUMP, EXP, shard=4)
    fake.fatal, fake.version = "", 2
    fake.calls.clear()
    make_labels(experiment(), DUMP, EXP, shard=4)
    assert sum(map(len, fake.calls[:6])) == 24
    assert read_json(MT / "labels.json")["translator"]["version"] == 2


def test_a_translator_that_loses_count(fake: type[Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "translate", lambda self, sentences, nbest, keys: [[]])
    with pytest.raises(DataError, match="mt src_train: after 0 of 24 sentences the translator gave 1 translations of"):
        make_labels(experiment(), DUMP, EXP)


def test_labels_follow_their_text(fake: type[Fake]) -> None:
    make_labels(experiment(), DUMP, EXP)
    write_table(DUMP / "fbank/src_dev/text", {"u1": "the cat sees the water"})
    assert make_labels(experiment(), DUMP, EXP)["mt src_dev"] == 1
    assert read_table(DUMP / "labels/mt/src_dev/text.sw.mt") == {"u1": "paka anaona maji"}
    assert fake.opened == 2


def test_a_translator_that_says_nothing_is_an_error(fake: type[Fake]) -> None:
    fake.silent = tuple(toy.ENGLISH)
    with pytest.raises(DataError, match="src_train/text: label source 'mt' has a label for no utterance of it, e.g. "
                                        "src_train-00: empty translation: the translator has none; its translator is "
                                        "not trained well enough"):
        make_labels(experiment(), DUMP, EXP)
    assert not (DUMP / "labels").exists()


def test_sentences_that_are_not_translated(fake: type[Fake]) -> None:
    write_table(DUMP / "fbank/src_train/text", source() | {"long": " ".join(["dog"] * 5000), "none": ""})
    make_labels(experiment(), DUMP, EXP)
    assert read_json(MT / "labels.json")["dropped"] == {"source too long": 1, "empty source": 1}
    assert "long\tsource too long: 5000 words, over 400\t" in (MT / "dropped.tsv").read_text(encoding="utf-8")
    assert max(len(s.split()) for call in fake.calls for s in call) < 10


def test_filters_of_a_label_made_from_another_translate_nothing_again(fake: type[Fake]) -> None:
    make_labels(experiment(), DUMP, EXP)
    text = source()
    fake.calls.clear()
    clean = {"from": "mt", "filters": {"score_percentile": 25}}
    counts = make_labels(experiment(mt_clean=clean), DUMP, EXP)
    assert (counts["mt src_train"], counts["mt_clean src_train"]) == (24, 18) and not fake.calls
    labels = DUMP / "labels/mt_clean/src_train"
    worst = sorted(text, key=lambda utt: (-len(text[utt]) / (len(toy.swahili(text[utt])) + 1), utt))[:6]
    assert read_table(labels / "text.sw.mt_clean") == {utt: toy.swahili(text[utt]) for utt in text if utt not in worst}
    record = read_json(labels / "labels.json")
    assert record["dropped"] == {"low score": 6} and list(record["from"]) == ["mt"]
    assert record["filters"]["score_percentile"] == 25
    clean["filters"] = {"score_percentile": 50}
    assert make_labels(experiment(mt_clean=clean), DUMP, EXP)["mt_clean src_train"] == 12 and not fake.calls
    fake.version = 2  # what a label is made from has changed
    write_table(DUMP / "fbank/src_train/text", dict(list(text.items())[:20]))
    assert make_labels(experiment(mt_clean=clean), DUMP, EXP)["mt_clean src_train"] == 10


def test_language_filter_says_how_sure_it_is(fake: type[Fake]) -> None:
    labels = {"sure": {"from": "mt", "filters": {"language": "sw"}}}
    make_labels(experiment(**labels), DUMP, EXP)
    record = read_json(DUMP / "labels/sure/src_train/labels.json")
    assert record["identifier"] == {"trained on": "bitext/train", "dev accuracy": 1.0} and record["kept"] == 24


def test_test_sentences_are_counted_and_removed_by_option(fake: type[Fake]) -> None:
    text = source()
    leak = text["src_train-03"]
    with pytest.raises(DataError, match="dump/data/held_out.tsv: no such file; run stage 'prepare' first"):
        make_labels(experiment(mt={"filters": {"held_out": True}}), DUMP, EXP)
    other = toy.swahili(text["src_train-05"])  # what stands in a dev set, or in the source language, is no leak
    (DUMP / "data/held_out.tsv").write_text(
        f"{toy.swahili(leak)}\ttgt_test/text\n{other}\tsrc_dev/text.sw.human\nmbwa\tsrc_test/text\n", encoding="utf-8")
    lost = {utt for utt, value in text.items() if toy.swahili(value) == toy.swahili(leak)}
    make_labels(experiment(apart={"from": "mt", "filters": {"held_out": True}}), DUMP, EXP)
    found = read_json(MT / "labels.json")["test_sentences_kept"]
    assert found["n"] == len(lost) and found["examples"][0] == {"utt": min(lost), "label": toy.swahili(leak),
                                                                "in": "tgt_test/text"}
    record = read_json(DUMP / "labels/apart/src_train/labels.json")
    assert record["test_sentences_kept"]["n"] == 0 and record["dropped"] == {"test sentence": len(lost)}
    assert set(read_table(DUMP / "labels/apart/src_train/text.sw.apart")) == text.keys() - lost


def test_a_mixture_has_each_utterance_from_one_label(fake: type[Fake]) -> None:
    text = source()
    write_table(DUMP / "fbank/src_train/text.sw.human", {utt: f"binadamu {utt[-2:]}" for utt in text})
    drawn = draw(text, {"human": 0.5, "mt": 0.5}, 1)
    fake.silent = (text[next(utt for utt in text if drawn[utt] == "mt")],)
    lost = {utt for utt in text if drawn[utt] == "mt" and text[utt] in fake.silent}
    make_labels(experiment(both={"mix": {"human": 0.5, "mt": 0.5}}), DUMP, EXP)
    labels = read_table(DUMP / "labels/both/src_train/text.sw.both")
    assert set(Counter(drawn.values())) == {"human", "mt"}
    assert labels == {utt: f"binadamu {utt[-2:]}" if drawn[utt] == "human" else toy.swahili(text[utt])
                      for utt in text if utt not in lost}
    record = read_json(DUMP / "labels/both/src_train/labels.json")
    assert record["dropped"] == {"not in mt": len(lost)} and record["shares"] == {"human": 0.5, "mt": 0.5}


def test_shares_are_what_they_say_and_grow_without_moving_others() -> None:
    utts = [f"utt-{i}" for i in range(10000)]
    third, half = (draw(utts, {"human": share, "mt": 1 - share}, 1) for share in (0.3, 0.5))
    assert Counter(third.values())["human"] == pytest.approx(3000, abs=150)
    assert {utt for utt in utts if third[utt] == "human"} < {utt for utt in utts if half[utt] == "human"}
    assert draw(utts, {"human": 0.5, "mt": 0.5}, 2) != half
    assert draw(utts[5000:], {"human": 0.5, "mt": 0.5}, 1) == {utt: half[utt] for utt in utts[5000:]}


def test_nbest(fake: type[Fake]) -> None:
    make_labels(experiment(mt={"nbest": 3}), DUMP, EXP)
    text = source()
    found = [json.loads(line) for line in (MT / "nbest.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["utt"] for row in found] == list(text)
    best = toy.swahili(text["src_train-00"])
    assert [t for t, _ in found[0]["nbest"]] == [best, f"{best} tena", f"{best} tena tena"]
    assert read_table(MT / "text.sw.mt")["src_train-00"] == best


def test_labels_are_normalised(fake: type[Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "translate", lambda self, sentences, nbest, keys:
                        [[Translation("Mbwa,\tANAONA «ng’ombe»!\n", -1.0)] for _ in sentences])
    make_labels(experiment(), DUMP, EXP)
    assert set(read_table(MT / "text.sw.mt").values()) == {"mbwa anaona ng'ombe"}


@pytest.mark.parametrize(("found", "reason"), [
    ([], "empty translation: the translator has none"),
    ([Translation(" ", -1.0)], "empty translation: the translator wrote nothing"),
    ([Translation("", -1.0, unknown=True)], "empty translation: the translator wrote nothing but <unk>"),
    ([Translation("(Makofi)  ...", -1.0)],
     "empty translation: '(Makofi) ...' has nothing that is spoken, by the rules of sw")])
def test_an_empty_label_says_why(found: list[Translation], reason: str) -> None:
    assert why_empty(found, profile("sw")) == reason


def test_unknown_pieces_are_counted(fake: type[Fake], monkeypatch: pytest.MonkeyPatch,
                                    caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(fake, "translate", lambda self, sentences, nbest, keys:
                        [[Translation(toy.swahili(s), -1.0, unknown=s.startswith("the dog"))] for s in sentences])
    make_labels(experiment(), DUMP, EXP)
    n, total = sum(text.startswith("the dog") for text in source().values()), len(source())
    assert 0 < n < total and read_json(MT / "labels.json")["unknown"] == n
    assert f"{n} of {total} translations hold <unk>, which is no word and is left out of the text" in caplog.text
    score = evaluate_translator(experiment(), "mt", DUMP, EXP)
    with open(DUMP / "data/bitext/test.en", encoding="utf-8") as handle:
        assert score["unknown"] == sum(line.startswith("the dog") for line in handle)


def test_translators_are_scored_on_the_test_part(fake: type[Fake]) -> None:
    pairs = list(zip(*((DUMP / "data/bitext" / f"test.{lang}").read_text(encoding="utf-8").splitlines()
                       for lang in ("en", "sw")), strict=True))
    fake.silent = (pairs[0][0],)
    labels = {"clean": {"from": "mt", "filters": {"repetition": 3}}, "both": {"mix": {"human": 0.5, "mt": 0.5}},
              "people": {"from": "human"}}
    declared = experiment(**labels)
    score = evaluate_translator(declared, "mt", DUMP, EXP)
    assert (score["pairs"], score["kept"], score["dropped"]) == (6, 6, {})
    assert 50 < score["metrics"]["chrf"]["value"] < 100, "an empty translation costs"
    assert score["metrics"]["bleu"]["signature"].startswith("bleu|norm:sw.")
    assert "|version:2" in score["metrics"]["chrf"]["signature"]
    assert read_json(EXP / "mt/mt/score/score.json") == score
    clean = evaluate_translator(declared, "clean", DUMP, EXP)
    assert (clean["kept"], clean["dropped"]) == (5, {"empty translation": 1})
    assert clean["metrics"]["chrf"]["value"] == pytest.approx(100)
    assert clean["all"] == score["metrics"]
    assert len(fake.calls) == 1
    assert evaluate_translator(declared, "both", DUMP, EXP) == evaluate_translator(declared, "people", DUMP, EXP) == {}


def test_the_command_says_what_it_made(fake: type[Fake], capsys: pytest.CaptureFixture[str]) -> None:
    experiment(clean={"from": "mt", "filters": {"score_percentile": 50}}, both={"mix": {"human": 0.5, "mt": 0.5}})
    make_labels_cli.main(["--config", "toy.yaml", "--shard", "7"])
    assert capsys.readouterr().out == (
        "labels mt src_train: 24 utterances\nlabels mt src_dev: 6 utterances\n"
        "labels both src_train: 24 utterances\nlabels both src_dev: 6 utterances\n"
        "labels clean src_train: 12 utterances\nlabels clean src_dev: 3 utterances\n"
        "MT mt on the bitext's test part: bleu 0.0, chrf 100.0\n"
        "MT clean on the bitext's test part (3 of 6 kept): bleu 0.0, chrf 100.0\n")  # 3 words have no 4-gram


def test_systems_train_on_the_utterances_that_have_a_label(fake: type[Fake]) -> None:
    from stxfer.prepare.vocab import make_vocabs
    from stxfer.training.fit_system import fit_system

    declared, _ = toy.make_experiment(
        Path.cwd(), labels={"mt": {"filters": {"score_percentile": 25}}}, compare=[],
        train={kind: [toy.PHASE | {"epochs": 1, "average": 1}] for kind in ("source", "st", "target")},
        systems={"st": {"task": "st", "data": "src_train", "text": "sw.mt"}})
    make_vocabs(declared, DUMP)
    make_labels(declared, DUMP, EXP)
    fit_system(declared, declared.systems["st"], 1, DUMP, EXP)
    trained = (EXP / "st/seed1/train_shape").read_text(encoding="utf-8").splitlines()
    assert [line.split()[0] for line in trained] == list(read_table(MT / "text.sw.mt")) and len(trained) == 18


@pytest.mark.parametrize(("labels", "message"), [
    ({"x": {"translator": "oracle"}}, "labels.x.translator: 'oracle' must be one of trained ctranslate2"),
    ({"x": {"translator": "ctranslate2"}}, "labels.x.model: is missing"),
    ({"x": {"translator": "apertium", "mode": "eng-cat", "pairs": 3}}, "labels.x: unknown key 'pairs'"),
    ({"x": {"pairs": -1}}, "labels.x.pairs: -1 must be at least 0"),
    ({"x": {"nbest": 0}}, "labels.x.nbest: 0 must be at least 1"),
    ({"x": {"from": "y"}}, "labels.x: unknown label 'y'; known: human x"),
    ({"x": {"from": "y"}, "y": {"from": "x"}}, "made of each other in a circle: x <- y <- x"),
    ({"x": {"from": "human", "nbest": 2}}, "labels.x: unknown key 'nbest'; known: filters from"),
    ({"x": {"mix": {"human": 0.5, "mt": 0.4}}, "mt": {}}, "labels.x.mix: the shares sum to 0.9; they must sum to 1"),
    ({"x": {"mix": {"human": 1.5}}}, "labels.x.mix.human: 1.5 must be at most 1"),
    ({"x": {"mix": ["human"]}}, "labels.x.mix: ['human'] must be a mapping"),
    ({"human": {}}, "labels.human: 'human' is the corpus's own translations; give this label another name"),
    ({"a b": {}}, "labels.a b: 'a b' must be a name: letters, digits"),
    ({"x": {"filters": {"ratio": 2}}}, "labels.x.filters: unknown key 'ratio'"),
    ({"x": {"filters": {"length_ratio": 0.5}}}, "labels.x.filters.length_ratio: 0.5 must be more than 1, or 0"),
    ({"x": {"filters": {"repetition": 1}}}, "labels.x.filters.repetition: 1 must be at least 2"),
    ({"x": {"filters": {"copied": 50}}}, "labels.x.filters.copied: 50 must be less than 1"),
    ({"x": {"filters": {"score_percentile": 100}}}, "score_percentile: 100 must be less than 100"),
    ({"x": {"filters": {"script": "Roman"}}}, "labels.x.filters.script: 'Roman' is not a Unicode script"),
    ({"x": {"filters": {"language": "en"}}}, "labels.x.filters.language: 'en' is not 'sw', the target language"),
])
def test_wrong_declarations(tmp_path: Path, labels: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        toy.make_experiment(tmp_path, labels=labels)
    assert message in str(error.value)


def test_labels_come_after_what_they_are_made_of(tmp_path: Path) -> None:
    declared, _ = toy.make_experiment(tmp_path, labels={"a": {"from": "b"}, "b": {"mix": {"c": 1.0}}, "c": {}})
    assert list(declared.labels) == ["c", "b", "a"]


def test_systems_for_a_list_of_labels(tmp_path: Path) -> None:
    systems: dict[str, Any] = toy.CONFIG["systems"] | {
        "st_@label@": {"task": "st", "data": "src_train", "text": "@target@.@label@",
                       "init": {"from": "source_asr", "parts": ["encoder"]}},
        "xfer_@label@": {"task": "asr", "data": "tgt_train", "text": "sw", "init": {"from": "st_@label@"}}}
    compare = [["xfer_human", "scratch"], ["xfer_@label@", "scratch"], ["xfer_@label@", "xfer_human"]]
    labels = {"mt": {}, "mt_5k": {"pairs": 5000}}
    without, _ = toy.make_experiment(tmp_path, systems=systems, compare=compare, labels=labels)
    assert set(without.systems) == set(toy.CONFIG["systems"]) and without.compare == (("xfer_human", "scratch"),)
    declared, _ = toy.make_experiment(tmp_path, systems=systems, compare=compare, labels=labels,
                                      label_systems=["mt", "mt_5k"])
    assert set(declared.systems) - set(without.systems) == {"st_mt", "xfer_mt", "st_mt_5k", "xfer_mt_5k"}
    assert declared.systems["st_mt_5k"].text == "sw.mt_5k"
    assert declared.systems["xfer_mt_5k"].init.source == "st_mt_5k"  # type: ignore[union-attr]
    assert declared.compare == (("xfer_human", "scratch"), ("xfer_mt", "scratch"), ("xfer_mt", "xfer_human"),
                                ("xfer_mt_5k", "scratch"), ("xfer_mt_5k", "xfer_human"))
    with pytest.raises(ConfigError, match="label_systems: label 'nllb' is not under 'labels'"):
        toy.make_experiment(tmp_path, label_systems=["nllb"])


def test_systems_for_a_grid_of_labels_and_training_sets(tmp_path: Path) -> None:
    start = {"task": "asr", "data": "@set@", "text": "sw"}
    systems: dict[str, Any] = toy.CONFIG["systems"] | {
        "plain_@set@": start, "xfer_@label@_@set@": {**start, "init": {"from": "st_@label@"}},
        "st_@label@": {"task": "st", "data": "src_train", "text": "@target@.@label@"}}
    compare = [["xfer_@label@_@set@", "plain_@set@"], ["plain_@set@", "scratch"]]
    grid = {"systems": systems, "compare": compare, "labels": {"mt": {}, "mt_5k": {"pairs": 5000}},
            "label_systems": ["mt", "mt_5k"]}
    declared, _ = toy.make_experiment(tmp_path, **grid, set_systems=["tgt_train_1h", "tgt_train"])
    assert set(declared.systems) - set(toy.CONFIG["systems"]) == {
        "st_mt", "st_mt_5k", "plain_tgt_train_1h", "plain_tgt_train", "xfer_mt_tgt_train_1h", "xfer_mt_tgt_train",
        "xfer_mt_5k_tgt_train_1h", "xfer_mt_5k_tgt_train"}
    assert declared.systems["xfer_mt_5k_tgt_train_1h"].data == "tgt_train_1h"
    assert declared.systems["xfer_mt_5k_tgt_train_1h"].parent == "st_mt_5k"
    assert declared.compare == (
        ("plain_tgt_train_1h", "scratch"), ("plain_tgt_train", "scratch"),
        ("xfer_mt_tgt_train_1h", "plain_tgt_train_1h"), ("xfer_mt_tgt_train", "plain_tgt_train"),
        ("xfer_mt_5k_tgt_train_1h", "plain_tgt_train_1h"), ("xfer_mt_5k_tgt_train", "plain_tgt_train"))
    with pytest.raises(ConfigError, match="systems.plain.data: @set@ is for systems that have it in their names"):
        toy.make_experiment(tmp_path, systems={**toy.CONFIG["systems"], "plain": start}, compare=[])
    with pytest.raises(ConfigError, match=r"set_systems\[0\]: 'tgt_test' must be a training set"):
        toy.make_experiment(tmp_path, **grid, set_systems=["tgt_test"])


@pytest.mark.parametrize("reads", ["raw", "normalised"])
def test_pretrained_translators_read_what_the_corpus_has(fake: type[Fake], monkeypatch: pytest.MonkeyPatch,
                                                         reads: str) -> None:
    """Case and punctuation go into the translator; what comes out is normalised; filters see the normalised source."""
    for name in ("src_train", "src_dev"):
        write_table(DUMP / "fbank" / name / "text.en.raw",
                    {utt: text.capitalize() + "." for utt, text in source(name).items()})
    bitext = DUMP / "data/bitext"
    sentences = (bitext / "test.en").read_text().splitlines()
    (bitext / "test.raw.en").write_text("".join(f"{sentence.upper()}!\n" for sentence in sentences))
    monkeypatch.setattr(fake, "translate", lambda self, given, nbest, keys: self.calls.append(list(given)) or [
        [Translation(toy.swahili(s.lower().strip(".!")).title() + ".", -1.0)] for s in given])
    declared = experiment(mt={"translator": "apertium", "mode": "eng-swa", "text": reads})
    make_labels(declared, DUMP, EXP)
    read = {sentence for call in fake.calls for sentence in call}
    assert read == {text.capitalize() + "." if reads == "raw" else text
                    for name in ("src_train", "src_dev") for text in source(name).values()}
    labels = read_table(MT / "text.sw.mt")
    assert labels == {utt: toy.swahili(text) for utt, text in source().items()}
    assert read_json(MT / "labels.json")["text"] == "dump/fbank/src_train/text"
    with open(MT / "sample.tsv", encoding="utf-8", newline="") as handle:
        assert {row["source"] for row in csv.DictReader(handle, delimiter="\t")} <= set(source().values())
    fake.calls.clear()
    score = evaluate_translator(declared, "mt", DUMP, EXP)
    assert score["metrics"]["chrf"]["value"] == pytest.approx(100)
    assert {s for call in fake.calls for s in call} == {f"{s.upper()}!" if reads == "raw" else s for s in sentences}


def test_which_text_a_translator_reads_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"labels.mt.text: 'upper' must be one of raw normalised"):
        toy.make_experiment(tmp_path, labels={"mt": {"translator": "apertium", "mode": "a-b", "text": "upper"}})
