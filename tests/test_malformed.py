"""Malformed experiment files: by hand and by chance. Each gives one line that names the file and the key."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stxfer.core.errors import ConfigError
from stxfer.core.options import file_keys
from stxfer.experiment.config import load_experiment
from stxfer.experiment.declared import Declaration
from stxfer.experiment.yaml_file import read_file

ROOT = Path(__file__).parents[1]
RECIPES = sorted(path for path in ROOT.glob("egs2/*/*/conf/*.yaml") if "name:" in path.read_text(encoding="utf-8"))
HEAD = {"include": f"[{ROOT}/conf/base.yaml]", "name": "t", "languages": "{source: en, target: sw}"}

# What stands in the file, the key that the message names, and what it says.
MISTAKES = [
    ("nmae: x", "", "unknown key 'nmae'; known: compare data decode .* did you mean 'name'"),
    ("systms: {}", "", "unknown key 'systms'.*did you mean 'systems'"),
    ("name: null", "name", "is missing"),
    ("name: ''", "name", "'' must not be empty"),
    ("name: 7", "name", "7 must be a string"),
    ("name: [a]", "name", "['a'] must be a string"),
    ('name: "a\\nb"', "name", "must not have control characters or line ends"),
    ("name: 2026-11-25", "name", "is a date to YAML; quote it"),
    ("languages: {source: en}", "languages.target", "is missing"),
    ("languages: {source: en, target: en}", "languages.target", "'en' is the source language, too"),
    ("languages: {source: no, target: sw}", "languages.source", "False must be a string"),
    ("languages: {source: en, target: swahili language}", "languages.target", "must be a language code such as sw"),
    ("languages: {source: en, target: ../sw}", "languages.target", "must be a language code such as sw"),
    ("languages: en", "languages", "'en' must be a mapping"),
    ("languages: {source: en, target: sw, third: fr}", "languages", "unknown key 'third'; known: source target"),
    ("seeds: 1", "seeds", "1 must be a list"),
    ("seeds: '12'", "seeds", "'12' must be a list"),
    ("seeds: ['1']", "seeds[0]", "'1' must be a whole number"),
    ("seeds: [1, 2, 1]", "seeds", "has 1 twice"),
    ("seeds: []", "seeds", "must not be empty"),
    ("seeds: [-1]", "seeds[0]", "-1 must be at least 0"),
    ("seeds: [true]", "seeds[0]", "True must be a whole number"),
    ("seeds: [1.5]", "seeds[0]", "1.5 must be a whole number"),
    ("seeds: [1, null]", "seeds[1]", "None must be a whole number"),
    ("seeds: [99999999999]", "seeds[0]", "99999999999 must be less than 4294967296"),
    ("seeds: [0x" + "f" * 5000 + "]", "seeds[0]", "is too large a number"),
    ("seeds: [" + "9" * 5000 + "]", "", "a value cannot be read"),
    ("compare: [[x]]", "compare[0]", "['x'] must be a pair, [system, baseline]"),
    ("compare: [direct, scratch]", "compare[0]", "'direct' must be a list"),
    ("compare: {direct: scratch}", "compare", "must be a list"),
    ("compare: [[direct, scratch, xfer_mt]]", "compare[0]", "must be a pair"),
    ("compare: [[direct, direct]]", "compare[0]", "compares a system with itself"),
    ("compare: [[direct, scrach]]", "compare[0]", "unknown system 'scrach'; did you mean 'scratch'"),
    ("compare: [[direct, [scratch]]]", "compare[0][1]", "must be a string"),
    ("train: []", "train", "[] must be a mapping"),
    ("train: {source: {epochs: 3}}", "train.source", "must be a list"),
    ("train: {source: []}", "train.source", "must not be empty"),
    ("train: {source: [3]}", "train.source[0]", "3 must be a mapping"),
    ("train: {default: [{epochs: 1}]}", "train.default", "must be a mapping"),
    ("train: {source: [{epoch: 3}]}", "train.source[0]", "unknown key 'epoch'.*did you mean 'epochs'"),
    ("train: {source: [{epochs: '3'}]}", "train.source[0].epochs", "'3' must be a whole number"),
    ("train: {source: [{epochs: 0}]}", "train.source[0].epochs", "0 must be at least 1"),
    ("train: {source: [{epochs: null}]}", "train.source[0].epochs", "None must be a whole number"),
    ("train: {default: {lr: fast}}", "train.default.lr", "'fast' must be a number"),
    ("train: {default: {lr: '2'}}", "train.default.lr", "'2' must be a number"),
    ("train: {default: {lr: .nan}}", "train.default.lr", "nan must be a finite number"),
    ("train: {default: {lr: .inf}}", "train.default.lr", "inf must be a finite number"),
    ("train: {default: {lr: true}}", "train.default.lr", "True must be a number"),
    ("train: {default: {lr: 0}}", "train.default.lr", "0 must be more than 0"),
    ("train: {default: {lr: 1e999}}", "train.default.lr", "must be a finite number"),
    ("train: {default: {specaug: 1}}", "train.default.specaug", "1 must be true or false"),
    ("train: {default: {specaug: 'yes'}}", "train.default.specaug", "'yes' must be true or false"),
    ("train: {default: {freeze: encoder}}", "train.default.freeze", "'encoder' must be a list"),
    ("train: {default: {freeze: !!set {encoder}}}", "train.default.freeze", "must be a string, a number, a list"),
    ("train: {default: {ctc_weight: 1}}", "train.default.ctc_weight", "1 must be less than 1"),
    ("train: {stt: [{epochs: 1}]}", "train.stt", "no system has this schedule"),
    ("train: {../x: [{}]}", "train.../x", "must be a name"),
    ("train: {st: [{encode_once: true}]}", "train.st[0].encode_once", "set freeze: [encoder]"),
    ("decode: {source: {beam_size: 0}}", "decode.source.beam_size", "0 must be at least 1"),
    ("decode: {source: {ctc_weight: 2.0}}", "decode.source.ctc_weight", "2.0 must be at most 1"),
    ("decode: {sources: {}}", "decode", "unknown key 'sources'.*did you mean 'source'"),
    ("decode: {st: 5}", "decode.st", "5 must be a mapping"),
    ("decode: {st: {beam_size: 1e6}}", "decode.st.beam_size", "must be a whole number"),
    ("model: 3", "model", "3 must be a mapping"),
    ("model: {encoder: conformr}", "model.encoder", "'conformr' must be one of berard .* did you mean 'conformer'"),
    ("model: {encoder: [conformer]}", "model.encoder", "must be one of"),
    ("model: {decoder: rnnt}", "model.decoder", "'rnnt' must be one of berard transformer"),
    ("model: {encodr: conformer}", "model", "unknown key 'encodr'.*did you mean 'encoder'"),
    ("model: {encoder_conf: 3}", "model.encoder_conf", "3 must be a mapping"),
    ("model: {init: ones}", "model.init", "'ones' must be one of chainer"),
    ("mt: {model: {encoder: s2t_conformer}}", "mt.model.encoder", "must be one of branchformer conformer"),
    ("mt: {train: []}", "mt.train", "must not be empty"),
    ("mt: {joint: 1}", "mt.joint", "1 must be true or false"),
    ("mt: {clean: {max_ratio: 0.5}}", "mt.clean.max_ratio", "0.5 must be at least 1, or 0 for none"),
    ("mt: {clean: {max_words: -1}}", "mt.clean.max_words", "-1 must be at least 0"),
    ("mt: {train: [{encode_once: true, freeze: [encoder]}]}", "mt.train.encode_once", "for encoders of speech"),
    ("mt: {train: [{criterion: wer, dev_wer: 5}]}", "mt.train.criterion", "use accuracy"),
    ("train: {st: [{criterion: wer}]}", "train.st[0].dev_wer", "criterion wer needs utterances to decode"),
    ("train: {st: [{criterion: loss}]}", "train.st[0].criterion", "accuracy"),
    ("train: {deaf: [{criterion: wer, dev_wer: 5, ctc_weight: 0}]}\n"
     "systems: {deaf: {task: lm, data: src_train, text: sw.human, train: deaf}}", "systems.deaf.train",
     "task text has no speech to decode"),
    ("vocab: []", "vocab", "[] must be a mapping"),
    ("vocab: {source: 200}", "vocab.source", "200 must be a mapping"),
    ("vocab: {source: {size: 0}}", "vocab.source.size", "0 must be at least 1"),
    ("vocab: {target: {type: word}}", "vocab.target.type", "'word' must be one of unigram bpe char"),
    ("vocab: {target: {text: tgt_train}}", "vocab.target.text", "'tgt_train' must be a list"),
    ("vocab: {target: {text: [tgt_test]}}", "vocab.target.text[0]", "only training sets may be used"),
    ("vocab: {target: {text: [src_dev/text.sw.human]}}", "vocab.target.text[0]", "only training sets may be used"),
    ("vocab: {target: {text: [src_train/../../x]}}", "vocab.target.text[0]", "'src_train/../../x' cannot be used"),
    ("vocab: {a/b: {}}", "vocab.a/b", "'a/b' must be a name"),
    ("vocab: {target: null}", "systems.st_human.vocab", "'target' is not under 'vocab'|is not under"),
    ("systems: {x: 3}", "systems.x", "3 must be a mapping"),
    ("systems: [x]", "systems", "['x'] must be a mapping"),
    ("systems: {x: {data: tgt_train, text: sw}}", "systems.x.task", "is missing"),
    ("systems: {x: {task: tts, data: tgt_train, text: sw}}", "systems.x.task", "'tts' must be one of asr st text"),
    ("systems: {x: {task: asr, data: tgt_test, text: sw}}", "systems.x.data", "'tgt_test' must be a training set"),
    ("systems: {x: {task: asr, data: src_dev, text: en}}", "systems.x.data", "'src_dev' must be a training set"),
    ("systems: {x: {task: asr, data: nonsense, text: sw}}", "systems.x.data", "'nonsense' must be a training set"),
    ("systems: {x: {task: asr, data: tgt_tran, text: sw}}", "systems.x.data", "did you mean 'tgt_train'"),
    ("systems: {x: {task: asr, data: tgt_train, text: sw, mix: [{data: tgt_test, text: sw}]}}",
     "systems.x.mix[0].data", "'tgt_test' must be a training set"),
    ("systems: {x: {task: asr, data: tgt_train, text: sw, mix: [{data: src_train, text: sw}]}}",
     "systems.x.mix[0].text", "'sw' is not 'en', what is spoken in src_train"),
    ("systems: {x: {task: asr, data: tgt_train, text: sw, mix: [{data: tgt_train, text: sw, share: 2}]}}",
     "systems.x.mix[0].share", "2 must be at most 1"),
    ("systems: {x: {task: asr, data: tgt_train, text: sw, mix: {data: tgt_train, text: sw}}}", "systems.x.mix",
     "must be a list"),
    ("systems: {x: {task: asr, data: tgt_train, text: ../sw}}", "systems.x.text", "must be a language, or"),
    ("systems: {../x: {task: asr, data: tgt_train, text: sw}}", "systems.../x", "'../x' must be a name"),
    ("systems: {a/b: {task: asr, data: tgt_train, text: sw}}", "systems.a/b", "'a/b' must be a name"),
    ("systems: {'': {task: asr, data: tgt_train, text: sw}}", "systems", "'' must be a name"),
    ("systems: {a b: {task: asr, data: tgt_train, text: sw}}", "systems.a b", "'a b' must be a name"),
    ('systems: {"a\\u0007b": {task: asr, data: tgt_train, text: sw}}', "systems.a\\x07b", "'a\\x07b' must be a name"),
    ("systems: {no: {task: asr, data: tgt_train, text: sw}}", "systems", "key False must be a string; quote it"),
    ("systems: {7: {task: asr, data: tgt_train, text: sw}}", "systems", "key 7 must be a string; quote it"),
    ("systems: {x: {task: asr, data: tgt_train, text: sw, name: y}}", "systems.x", "unknown key 'name'"),
    ("systems: {x: {task: asr, data: tgt_train, text: sw, train: targt}}", "systems.x.train",
     "'targt' is not under 'train'; did you mean 'target'"),
    ("systems: {direct: {init: {parts: 3}}}", "systems.direct.init.parts", "3 must be a list"),
    ("systems: {direct: {init: {parts: []}}}", "systems.direct.init.parts", "must not be empty"),
    ("systems: {direct: {init: {parts: [encodr]}}}", "systems.direct.init.parts[0]", "did you mean 'encoder'"),
    ("systems: {direct: {init: {from: null}}}", "systems.direct.init", "needs either 'from'"),
    ("systems: {direct: {init: {from: sorce_asr}}}", "systems.direct.init.from", "did you mean 'source_asr'"),
    ("systems: {direct: {init: {from: ../x}}}", "systems.direct.init.from", "'../x' must be a name"),
    ("systems: {direct: {init: {from: direct}}}", "systems", "in a circle: direct <- direct"),
    ("systems: {st_@label@: {task: stt}}", "systems.st_@label@.task", "'stt' must be one of asr st text"),
    ("labels: [mt]", "labels", "['mt'] must be a mapping"),
    ("labels: {mt: 3}", "labels.mt", "3 must be a mapping"),
    ("labels: {a.b: {}}", "labels.a.b", "'a.b' must be a name"),
    ("labels: {human: {}}", "labels.human", "is the corpus's own translations"),
    ("labels: {mt: {translator: [x]}}", "labels.mt.translator", "['x'] must be one of trained"),
    ("labels: {mt: {translator: ctranslate}}", "labels.mt.translator", "did you mean 'ctranslate2'"),
    ("labels: {mt: {pairs: 1.5}}", "labels.mt.pairs", "1.5 must be a whole number"),
    ("labels: {mt: {filters: {script: Latn1}}}", "labels.mt.filters.script", "'Latn1' is not a Unicode script"),
    ("labels: {mt: {filters: {language: en}}}", "labels.mt.filters.language", "'en' is not 'sw'"),
    ("labels: {mt: {filters: [x]}}", "labels.mt.filters", "['x'] must be a mapping"),
    ("labels: {x: {mix: {human: 0.5, mt: .nan}}}", "labels.x.mix.mt", "nan must be a finite number"),
    ("labels: {x: {from: [mt]}}", "labels.x.from", "['mt'] must be a string"),
    ("label_systems: mt", "label_systems", "'mt' must be a list"),
    ("label_systems: [mtt]", "label_systems", "label 'mtt' is not under 'labels'; did you mean 'mt'"),
    ("label_systems: [[mt]]", "label_systems[0]", "['mt'] must be a string"),
    ("features: {kind: mfcc}", "features.kind", "'mfcc' must be one of fbank pretrained"),
    ("features: {layer: 3}", "features.kind", "are for kind pretrained alone"),
    ("prepare: {max_drop: 2}", "prepare.max_drop", "2 must be at most 1"),
    ("prepare: {source_lang: fr}", "prepare", "unknown key 'source_lang'"),
    ("prepare: {perturb_sets: [train]}", "prepare.perturb_sets[0]", "begins with src_ or tgt_"),
    ("data: {hours: {train: 3}}", "data.hours.train", "begins with src_ or tgt_"),
    ("data: {hours: {src_train: ten}}", "data.hours.src_train", "'ten' must be a number"),
    ("data: {speak_bitext: {min_words: 20}}", "data.speak_bitext.min_words", "20 is above max_words 14"),
    ("data: {src_trian: 3}", "data", "unknown key 'src_trian'.*did you mean 'src_train'"),
    ("normalise: [tr]", "normalise", "['tr'] must be a mapping"),
    ("normalise: {sw: {digit: remove}}", "normalise.sw", "unknown rule 'digit'"),
    ("include: 3", "include", "3 must be a list of files"),
    ("include: base.yaml", "include", "'base.yaml' must be a list of files"),
    ("include: [nowhere.yaml]", "", "nowhere.yaml: no such configuration"),
    ("include: [exp.yaml]", "", "exp.yaml: includes itself"),
    ("include: [.]", "", "cannot be read: Is a directory"),
    ('include: ["a\\0b"]', "include", "must be a list of files"),
    ("seeds: [1]\nseeds: [2]", "", "not YAML: key 'seeds' stands twice in \"<"),
    ("train: {source: [{epochs: 1, epochs: 2}]}", "", "key 'epochs' stands twice"),
    ("model: &m {encoder_conf: *m}", "", "stand more than 40 deep|too deep"),
    ("normalise: {a: &a [x,x,x,x,x,x,x,x,x], b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a], c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b], "
     "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c], e: [*d,*d,*d,*d,*d,*d,*d,*d]}", "", "normalise.e.*: aliases make more than"),
    ("normalise: " + "[" * 1200 + "]" * 1200, "", "too deep"),
    ("x: [", "", "not YAML"),
    ("x: !!python/object/apply:os.system ['true']", "", "not YAML: could not determine a constructor"),
    ("name: 2026-13-45", "", "a value cannot be read"),
    ("{[a]: b}: c", "", "not YAML"),
]


def message_of(path: Path) -> str | None:
    """Return what is said of a file, or None where it is read. Anything but ConfigError is a failure."""
    try:
        load_experiment(path)
    except ConfigError as error:
        return str(error)
    return None


@pytest.mark.parametrize(("text", "key", "says"), MISTAKES)
def test_one_line_names_file_key_and_what_is_allowed(tmp_path: Path, text: str, key: str, says: str) -> None:
    path = tmp_path / "exp.yaml"
    head = "".join(f"{name}: {value}\n" for name, value in HEAD.items() if not text.startswith(f"{name}:"))
    path.write_text(head + text + "\n", encoding="utf-8")
    message = message_of(path)
    assert message is not None and message.isprintable(), message
    place = f"{path}: {key}: " if key else f"{tmp_path}"
    assert message.startswith(place), message
    rest = message.removeprefix(place)
    assert says in rest or re.search(says, rest), message
    assert len(message) < 600


@pytest.mark.parametrize(("content", "says"), [
    (b"name: \xff\n", "not UTF-8 (invalid start byte at byte 6)"), (b"", "must be a YAML mapping"),
    (b"- a\n", "must be a YAML mapping"), (b"a: \0\n", "not YAML: "), (b"#" * 2 ** 21, "more than an experiment file"),
    (b"\xef\xbb\xbfname: x\n", "languages: is missing")])
def test_bytes_that_are_no_experiment(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "exp.yaml"
    path.write_bytes(content)
    message = message_of(path)
    assert message is not None and message.startswith(f"{path}: {says}") or says in str(message)
    assert str(message).isprintable()


def test_files_that_include_each_other(tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{one}.yaml").write_text(f"include: [{other}.yaml]\n")
    assert message_of(tmp_path / "a.yaml") == f"{tmp_path}/a.yaml: includes itself"


VALUES = [None, True, False, 0, -1, 1, 7, 2.5, -0.5, 1e300, float("nan"), float("inf"), 10 ** 30, "", "x", "tgt_test",
          "../x", "a\nb", "1e-3", "12", "@label@", [], [[]], ["x"], [None], [1, 1], {}, {"x": 1}, {"from": "x"},
          {"a": {"b": []}}]
PLACE = re.compile(rf"(({'|'.join(file_keys(Declaration))}|include)(\.[^:]*|\[.*\])*: )|unknown key '.*'; known: "
                   r"|key \w+ must be a ")


@functools.cache
def recipe(number: int) -> dict[str, Any]:
    """Return everything that a recipe's experiment file and those it includes say."""
    return read_file(RECIPES[number])


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of each value below another one."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from nodes(item, (*path, key))


def mutated(raw: dict[str, Any], draw: st.DrawFn) -> dict[str, Any]:
    """Return a copy in which one value is away, another, or of another name or type."""
    made = copy.deepcopy(raw)
    *parents, key = draw(st.sampled_from(sorted(nodes(made), key=str)))
    parent: Any = functools.reduce(lambda value, step: value[step], parents, made)
    how = draw(st.sampled_from(["delete", "replace", "replace", "replace", "wrap", "string", "rename", "double"]))
    if how == "delete":
        del parent[key]
    elif how == "replace":
        parent[key] = draw(st.sampled_from(VALUES))
    elif how == "wrap":
        parent[key] = draw(st.sampled_from([[parent[key]], {"x": parent[key]}]))
    elif how == "string":
        parent[key] = str(parent[key])
    elif isinstance(parent, list):
        parent.append(parent[key])
    elif how == "rename":
        name = draw(st.sampled_from([f"{key}s", key[:-1], "", "a b", "../x", "default", 7, None]))
        parent[name] = parent.pop(key)
    else:
        parent[f"{key}_2"] = copy.deepcopy(parent[key])
    return made


@given(data=st.data(), number=st.integers(0, len(RECIPES) - 1))
@settings(max_examples=300)
def test_recipes_with_a_random_mistake(data: st.DataObject, number: int,
                                       tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.yaml"
    path.write_text(yaml.dump(data.draw(st.composite(lambda draw: mutated(recipe(number), draw))()),
                              Dumper=yaml.CSafeDumper), encoding="utf-8")
    message = message_of(path)
    if message is not None:
        assert message.isprintable() and len(message) < 1500
        assert message.startswith(f"{path}: ") and PLACE.match(message.removeprefix(f"{path}: ")), message


@given(content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode), place=st.integers(0, 400))
@settings(max_examples=200)
def test_files_with_random_bytes(content: bytes, place: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.yaml"
    good = f"include: [{ROOT}/conf/base.yaml]\nname: t\nlanguages: {{source: en, target: sw}}\nseeds: [1, 2]\n".encode()
    path.write_bytes(good[:place] + content + good[place:])
    message = message_of(path)
    assert message is None or (message.isprintable() and ": " in message)
