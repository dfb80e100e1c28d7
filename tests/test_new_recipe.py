"""A recipe made of corpora by ``utils/new_recipe.sh``: what is found and said, what is written, whether it runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from corpora_layouts import common_voice, covost2, fleurs, spontaneous_speech, write_tsv
from recipes import ENV, write_bitext

from stxfer.bin import new_recipe as command
from stxfer.core.errors import ConfigError, DataError
from stxfer.experiment.config import load_experiment
from stxfer.kaldi.datadir import read_datadir
from stxfer.recipes.columns import guess_columns
from stxfer.recipes.speech import Speech, find_speech
from stxfer.text.lookalikes import Difference, differences
from stxfer.text.profiles import profile

ROOT = Path(__file__).resolve().parents[1]
THINGS = ["la casa", "el perro", "el gato", "la mesa", "el libro", "la flor"]
QUECHUA = ["wasi", "allqu", "misi", "hampʼara", "liwru", "tʼika"]
PAIRS = [(f"Hoy {name} mira {thing}.", f"{who} kunan {what} qhawan.") for name, who in
         (("Juan", "Juan"), ("María", "Mariya"), ("Rosa", "Rusa"), ("Pedro", "Pidru"), ("Ana", "Ana"), ("Eva", "Ewa"))
         for thing, what in zip(THINGS, QUECHUA, strict=True)]


@pytest.fixture
def egs(tmp_path: Path) -> Path:
    """A folder of recipes beside what they include: links to this checkout's."""
    root = tmp_path / "checkout"
    (root / "egs2").mkdir(parents=True)
    for name in ("conf", "utils", "tools", "stxfer", "egs2/TEMPLATE"):
        (root / name).symlink_to(ROOT / name)
    return root / "egs2"


def clips(folder: Path, count: int, seconds: float = 1.0) -> list[str]:
    """Write noises; return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(count).normal(size=(count, int(16000 * seconds))) * 0.1
    for k in range(count):
        soundfile.write(folder / f"{k}_{seconds}.wav", noise[k], 16000)
    return [f"{k}_{seconds}.wav" for k in range(count)]


def speech(root: Path, columns: str = "file transcription spk split id", texts: Sequence[str] = ()) -> Path:
    """Write a folder of clips and a table of them whose columns have names of their own."""
    names = clips(root / "wavs", 30)
    texts = texts or [pair[1].replace("ʼ", "'") for pair in PAIRS]
    rows = [dict(zip(columns.split(), (name, texts[k], f"s{k % 3}", ("training", "training", "training", "val",
                                                                  "test")[k % 5], f"{k}"), strict=True))
            for k, name in enumerate(names)]
    return write_tsv(root / "metadata.tsv", columns.split(), rows)


def bitext(root: Path) -> Path:
    return write_bitext(root / "bitext", ("es", "qu"), PAIRS)


def make(egs: Path, *arguments: str | Path, target: str = "qu") -> Path:
    command.main(["new", "--source", "es", "--target", target, "--egs", str(egs), *map(str, arguments)])
    return egs / "new/asr1"


def run(recipe: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([recipe / "run.sh", *arguments], env=ENV, capture_output=True, text=True)


def test_a_table_and_a_bitext(egs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = make(egs, "--speech", speech(tmp_path / "es qu's"), "--bitext", bitext(tmp_path))
    said = capsys.readouterr().out
    for line in ("columns: audio=file text=transcription speaker=spk; not used: id",
                 "column split parts the sets: train=training dev=val test=test",
                 "train: 18 utterances, about 0.01 h, median 1.0 s, 3 speakers", "es: the synthesiser has a voice",
                 "train: 16 of 16 pairs are spoken; the others: none"):
        assert line in said
    assert re.search(r"LOOK \d+ of 16 sentences of the bitext are transcripts of the speech", said)
    assert "LOOK 16 pairs are too few to learn to translate" not in said and "translator: 16 pairs are too few" in said
    script = (recipe / "local/data.sh").read_text()
    assert '--manifest "$speech" --set tgt_dev --rows split=val' in script
    assert (recipe / "local/options.sh").read_text().count("path_option") == 2
    experiment = load_experiment(recipe / "conf/base.yaml")
    assert experiment.source_lang == "es" and {name for pair in experiment.compare for name in pair} == {
        "direct", "scratch", "xfer_human"}
    readme = (recipe / "README.md").read_text()
    assert "| `tgt_train` | 18 | 0.01 | 3 | 1.0 s |" in readme and "**to be named**" in readme
    result = run(recipe, "--stop-stage", "prepare", "--config", str(relaxed(recipe, tmp_path)))
    assert result.returncode == 0, result.stderr[-2000:]
    assert len(read_datadir(recipe / "data/tgt_dev")) == 6 and len(read_datadir(recipe / "data/src_train")) == 16
    assert set(read_datadir(recipe / "data/tgt_train").utt2spk.values()) == {"s0", "s1", "s2"}


def test_text_given_by_what_two_files_share(egs: Path, tmp_path: Path) -> None:
    for side, language in enumerate(("es", "qu")):
        (tmp_path / f"corpus.{language}").write_text("".join(f"{pair[side]}\n" for pair in PAIRS))
    recipe = make(egs, "--speech", speech(tmp_path / "speech"), "--bitext", tmp_path / "corpus")
    nothing = "--stop-stage", "data", "--python", "/bin/true"  # which is what each command then is
    result = run(recipe, *nothing)
    assert result.returncode == 0, result.stderr[-2000:]
    result = run(recipe, *nothing, "--bitext", str(tmp_path / "no"))
    assert result.returncode == 1 and f"{tmp_path}/no: no such file or directory" in result.stderr


def relaxed(recipe: Path, tmp_path: Path) -> Path:
    """The recipe's experiment, that takes what there is of so little."""
    config = tmp_path / "relaxed.yaml"
    config.write_text(f"include: [{json.dumps(str(recipe / 'conf/base.yaml'))}]\nprepare: {{max_drop: 0.9}}\n"
                      "data: {speak_bitext: {speakers: 2, dev_speakers: 1, test_speakers: 1}}\n")
    return config


def test_rows_of_no_set_and_known_speakers_are_told(egs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
                                                    ) -> None:
    table = speech(tmp_path)
    table.write_text(table.read_text().replace("\tval\t", "\tforen\t"))
    make(egs, "--speech", table, "--bitext", bitext(tmp_path))
    said = capsys.readouterr().out
    assert "LOOK column split: rows of other values are not used: 'foren' 6" in said
    assert "test: 6 of 6 utterances are of speakers of train" in said


def test_a_folder_that_is_no_checkouts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no TEMPLATE, by which recipes run: give egs2 of a checkout"):
        make(tmp_path / "elsewhere", "--speech", speech(tmp_path), "--bitext", bitext(tmp_path))
    assert not (tmp_path / "elsewhere").exists()


def test_more_may_be_missing_if_that_is_said(egs: Path, tmp_path: Path) -> None:
    """Two of 18 clips: more than the usual share. Stage 1 names an option that there is."""
    table = speech(tmp_path)
    recipe = make(egs, "--speech", table, "--bitext", bitext(tmp_path))
    for name in ("0_1.0.wav", "5_1.0.wav"):
        (tmp_path / "wavs" / name).unlink()
    done = run(recipe, "--stop-stage", "data")
    assert done.returncode and "raise --max-drop" in done.stderr
    run(recipe, "--stop-stage", "data", "--max-drop", "0.2")
    assert (recipe / "data/tgt_train/text").read_text().count("\n") == 16


def test_it_is_not_written_over_another(egs: Path, tmp_path: Path) -> None:
    (egs / "new").mkdir()
    with pytest.raises(ConfigError, match="new: is there already; give another name, or remove it"):
        make(egs, "--speech", tmp_path)


def test_characters_that_look_alike_are_made_one(egs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a language that no profile knows: the transcripts have U+0027, the bitext U+02BC."""
    folder = write_bitext(tmp_path / "bitext", ("es", "nhx"), PAIRS)
    recipe = make(egs, "--speech", speech(tmp_path), "--bitext", folder, target="nhx")
    said = capsys.readouterr().out
    assert "nhx: no rules of its own" in said
    assert "LOOK nhx: transcripts have ' (U+0027 APOSTROPHE) 10 times, the bitext has ʼ (U+02BC MODIFIER LETTER " \
           "APOSTROPHE)" in said
    rules = load_experiment(recipe / "conf/base.yaml").profiles
    assert {"'", "ʼ"} <= set(profile("nhx", rules).apostrophes)


@pytest.mark.parametrize(("one", "other", "found"), [
    ("ta' ka' na'", "taʼ kaʼ naʼ", [Difference("'", 3, "ʼ", 3)]), ("ta' ka' na'", "ta' ka' na'", []),
    ("mbέ ε ε ε", "mbɛ ɛ ɛ", [Difference("ε", 3, "ɛ", 3)]), ("ta' ka'", "taʼ kaʼ naʼ", []),
    ("аааа", "aaa", [Difference("а", 4, "a", 3)]), ("ta' kaʼ na'", "taʼ kaʼ naʼ", [])])
def test_differences(one: str, other: str, found: list[Difference]) -> None:
    assert differences(Counter(one), Counter(other)) == found


def test_durations_by_set_are_compared(egs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part, seconds in (("train", 0.4), ("dev", 0.4), ("test", 2.0)):
        names = clips(tmp_path / "c/audio", 8, seconds)
        write_tsv(tmp_path / f"c/{part}.tsv", ["path", "sentence"],
                  [{"path": name, "sentence": PAIRS[k][1]} for k, name in enumerate(names)])
    (tmp_path / "c/audio" / names[0]).write_bytes(b"RIFF no sound")
    make(egs, "--speech", tmp_path / "c", "--bitext", bitext(tmp_path))
    said = capsys.readouterr().out
    assert "LOOK utterances of test last 2.0 s, of train 0.4 s: a model writes badly what is longer" in said
    assert "LOOK test: 2 of 8 sampled files cannot be read" in said
    assert "LOOK no column seems to hold the speaker" in said


def test_one_table_without_sets_is_parted(egs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = write_tsv(tmp_path / "t.tsv", ["audio", "text", "sentence_es"],
                      [{"audio": f"wavs/{name}", "text": PAIRS[k][1], "sentence_es": PAIRS[k][0]}
                       for k, name in enumerate(clips(tmp_path / "wavs", 36))])
    recipe = make(egs, "--speech", table)
    assert "dev and test: a tenth of train each, apart in text, text.es.human" in capsys.readouterr().out
    script = (recipe / "local/data.sh").read_text().replace("\\\n    ", "")
    assert "--set tgt_train --hold-out tgt_dev --hold-out tgt_test --apart 'text text.es.human'" in script
    assert "bitext_of_sets" in script and '"$(dirname "$speech")"' not in script


def test_source_speech_and_a_translator(egs: Path, tmp_path: Path) -> None:
    names = clips(tmp_path / "cv/clips", 12)
    for part in ("train", "dev"):
        write_tsv(tmp_path / f"cv/{part}.tsv", ["client_id", "path", "sentence"],
                  [{"client_id": f"{part}{k}", "path": name, "sentence": PAIRS[k][0]} for k, name in enumerate(names)])
    recipe = make(egs, "--speech", speech(tmp_path), "--source-speech", tmp_path / "cv", "--bitext", bitext(tmp_path))
    script = (recipe / "local/data.sh").read_text()
    assert 'prepare_common_voice --corpus "$source_speech" --prefix src --test-from dev' in script
    assert "prepare_bitext" in script and "speak_bitext" not in script
    experiment = load_experiment(recipe / "conf/base.yaml")
    assert {name for name in experiment.systems if name.startswith(("xfer", "st_"))} == {"xfer_mt", "st_mt"}


@pytest.mark.parametrize(("change", "message"), [
    (lambda r: ["--speech", r / "no"], r"/no: no such file or folder$"),
    (lambda r: ["--speech", r / "empty"], r"empty: not known what corpus this is.*of tables it has none$"),
    (lambda r: ["--speech", r / "metadata.tsv"], "nothing tells how to translate: give --bitext"),
    (lambda r: ["--speech", r / "metadata.tsv", "--bitext", r / "no"], r"no: no such folder or file"),
    (lambda r: ["--speech", r / "metadata.tsv", "--bitext", r / "bitext", "--columns", "text=nothing"],
     r"metadata.tsv:1: no column 'nothing'; there are: file"),
    (lambda r: ["--speech", r / "metadata.tsv", "--bitext", r / "bitext", "--audio-dir", r / "empty"],
     r"no audio of its first rows, such as '0_1.0.wav', is in .*empty; say where it is with --audio-dir DIR"),
    (lambda r: ["--speech", r / "numbers.csv", "--bitext", r / "bitext"],
     r"numbers.csv:1: no column seems to hold the audio; there are: a b. Say which with --columns 'audio=NAME'"),
    (lambda r: ["--speech", r / "metadata.tsv", "--bitext", r / "held_out"],
     "held_out: has no sentence pairs for training, the part train"),
    (lambda r: ["--speech", r / "metadata.tsv", "--bitext", r / "bitext/train.es"],
     "train.es: its name does not say what format it has. Aligned files are given as their folder"),
    (lambda r: ["--speech", spontaneous_speech(r, "qu", [("a", "Kunan", "dev")]), "--bitext", r / "bitext"],
     "train has no utterances"),
    (lambda r: ["--speech", r / "metadata.tsv", "--bitext", r / "bitext", "--covost", r / "empty"],
     "--covost: needs its Common Voice as --source-speech"),
])
def test_bad_input_is_one_line(egs: Path, tmp_path: Path, change: object, message: str) -> None:
    speech(tmp_path), bitext(tmp_path), (tmp_path / "empty").mkdir()
    (tmp_path / "numbers.csv").write_text("a,b\n1,2\n")
    (tmp_path / "held_out").mkdir()
    (tmp_path / "held_out/dev.es").write_text("hoy\n"), (tmp_path / "held_out/dev.qu").write_text("kunan\n")
    assert callable(change)
    with pytest.raises((ConfigError, DataError), match=message) as raised:
        make(egs, *change(tmp_path))
    assert "\n" not in str(raised.value) and not (egs / "new").exists()


@pytest.mark.parametrize(("name", "source", "message"), [
    ("Bad name", "es", "Bad name: a recipe's name is of small letters"),
    ("qu", "e;s", "--source: 'e;s' must be a language code"),
    ("qu", "qu", "qu: source and target are one language"),
    ("qu", "xqz", "xqz: espeak-ng has no voice .*there has to be source speech")])
def test_bad_names(egs: Path, tmp_path: Path, name: str, source: str, message: str) -> None:
    folder = write_bitext(tmp_path / "bitext", (source.replace(";", ""), "qu"), PAIRS)
    with pytest.raises((ConfigError, DataError), match=message):
        command.main([name, "--source", source, "--target", "qu", "--egs", str(egs), "--speech",
                      str(speech(tmp_path)), "--bitext", str(folder)])


def test_columns_by_what_they_hold(tmp_path: Path) -> None:
    table = write_tsv(tmp_path / "t.tsv", ["n", "what", "said", "es"], [
        {"n": "1", "what": "a b.mp3", "said": "kunan allqu qhawan", "es": "hoy el perro mira la casa"}])
    assert guess_columns(table, {}, "es").named == {"audio": "what", "text": "said", "text.es.human": "es"}


def test_the_script(egs: Path, tmp_path: Path) -> None:
    result = subprocess.run([ROOT / "utils/new_recipe.sh", "--help"], capture_output=True, text=True, cwd=tmp_path,
                            env={**os.environ, "STXFER_PYTHON": sys.executable})
    assert result.returncode == 0 and "--source-speech" in result.stdout


def test_the_experiment_is_yaml_of_few_lines(egs: Path, tmp_path: Path) -> None:
    recipe = make(egs, "--speech", speech(tmp_path), "--bitext", bitext(tmp_path))
    text = (recipe / "conf/base.yaml").read_text()
    assert len(text.splitlines()) < 30 and max(map(len, text.splitlines())) <= 120
    assert yaml.safe_load(text)["vocab"]["target"] == {"type": "char", "size": 100, "text": ["tgt_train", "bitext"]}


def kaldi(root: Path) -> Path:
    """Write data directories of train, valid and test, the last with segments; paths are relative to the one above."""
    (root / "clips").mkdir()
    (root / "clips/a.wav").touch()
    for name in ("train", "valid", "test"):
        folder = root / "data" / name
        folder.mkdir(parents=True)
        (folder / "wav.scp").write_text("s1-a clips/a.wav\n")
        utt = "s1-a-1" if name == "test" else "s1-a"
        (folder / "text").write_text(f"{utt} kunan\n")
        (folder / "utt2spk").write_text(f"{utt} s1\n")
        (folder / "text.es.human").write_text(f"{utt} hoy\n")
    (root / "data/test/segments").write_text("s1-a-1 s1-a 0.5 2.0\n")
    return root / "data"


def must_c(root: Path) -> Path:
    for split in ("train", "dev", "tst-COMMON"):
        folder = root / "en-de/data" / split / "txt"
        folder.mkdir(parents=True)
        (folder / f"{split}.yaml").write_text("- {duration: 1.5, offset: 2.0, speaker_id: spk.1, wav: ted_1.wav}\n")
        for language in ("en", "de"):
            (folder / f"{split}.{language}").write_text(f"{language} {split}\n")
    return root


ROWS = {name: [(f"{name} {k}", f"Sentence {name} {k}.") for k in range(2)] for name in ("train", "dev", "test")}


def look_at(kind: str, root: Path) -> Speech:
    if kind in ("Common Voice's form", "CoVoST 2"):
        release = common_voice(root / "cv", "en", ROWS)
        if kind != "CoVoST 2":
            return find_speech(release.parent, ("en", "tr"), {})  # the folder of the release, which holds en
        return find_speech(release, ("en", "tr"), {}, covost=covost2(root / "covost", "en_tr", release, str.upper))
    if kind == "FLEURS":
        return find_speech(fleurs(root, "sw_ke", {name: [(k, text) for k, (_, text) in enumerate(some)]
                                                  for name, some in ROWS.items()}), ("sw", "en"), {})
    if kind == "Kaldi data directories":
        return find_speech(kaldi(root), ("qu", "es"), {})
    if kind == "MuST-C":
        return find_speech(must_c(root), ("en", "de"), {})
    return find_speech(spontaneous_speech(root, "br", [("a", "Ya", "train"), ("b", "Nann", "dev"), ("c", "", "")]),
                       ("br", "fr"), {})


@pytest.mark.parametrize(("kind", "command", "translated", "sets"), [
    ("Common Voice's form", "prepare_common_voice --corpus \"$x\" --prefix src", False,
     {"train": 2, "dev": 2, "test": 2}),
    ("CoVoST 2", "prepare_covost2 --corpus \"$x\" --covost \"$covost\" --pair en_tr --prefix src", True,
     {"train": 2, "dev": 2, "test": 2}),
    ("FLEURS", "prepare_fleurs --corpus \"$x\" --prefix src", False, {"train": 2, "dev": 2, "test": 2}),
    ("Kaldi data directories", "prepare_kaldi_dir --dir \"$x\"/valid --set src_dev --root \"$x\"/..", True,
     {"train": 1, "dev": 1, "test": 1}),
    ("MuST-C", "prepare_must_c --corpus \"$x\" --pair en-de --prefix src", True, {"train": 1, "dev": 1, "test": 1}),
    ("Common Voice's spontaneous speech", "prepare_common_voice --corpus \"$x\" --prefix src --test-from dev", False,
     {"train": 1, "dev": 1})])
def test_every_kind_of_corpus(tmp_path: Path, kind: str, command: str, translated: bool, sets: dict[str, int]) -> None:
    found = look_at(kind, tmp_path)
    assert (found.kind, found.translated) == (kind, translated)
    assert {part: len(some) for part, some in found.sets.items()} == sets
    assert command in "\n".join(found.commands("x", "src")).replace(" \\\n    ", " ")
    if kind in ("Kaldi data directories", "MuST-C"):
        assert found.sets["test"][0].span == ((0.5, 2.0) if kind.startswith("Kaldi") else (2.0, 3.5))
