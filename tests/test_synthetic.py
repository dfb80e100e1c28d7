"""Synthetic speech: reproducible, whole, without leaks; and the spoken bitext."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stxfer.bin import prepare_synthetic as prepare_command
from stxfer.bin import speak_bitext as speak_command
from stxfer.core.digests import REMEMBERED
from stxfer.core.errors import ConfigError, DataError
from stxfer.core.marker import MARKER, read_marker, write_marker
from stxfer.corpora.bitext.directory import PARTS, read_pairs
from stxfer.corpora.synthetic import spoken_bitext
from stxfer.corpora.synthetic.corpus import HELD, prepare_synthetic, sample_sets
from stxfer.corpora.synthetic.espeak import SAMPLE_RATE, SynthesisError, synthesise
from stxfer.corpora.synthetic.grammar import key
from stxfer.corpora.synthetic.speakable import spoken_scripts, why_not_spoken
from stxfer.corpora.synthetic.speakers import ACCENTS, VARIANTS, Speaker, speakers, split_speakers
from stxfer.corpora.synthetic.speech import AUDIO_SUMS, Job, Room, render, speak_set
from stxfer.experiment.data import SpokenBitextOptions, SyntheticOptions
from stxfer.kaldi.datadir import read_datadir, validate
from stxfer.text.normalise import written
from stxfer.text.profiles import of_bitext, profile

TINY = SyntheticOptions(
    src_train=30, src_dev=3, src_test=4, tgt_train=5, tgt_dev=3, tgt_test=3, bitext_train=60, bitext_dev=5,
    bitext_test=5, source_speakers=4, target_speakers=3, dev_speakers=2, test_speakers=2)
OWN = (MARKER, REMEMBERED)
SETS = [f"{kind}_{part}" for kind in ("src", "tgt") for part in PARTS]


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the markers, which name paths, and what is remembered of files."""
    return {str(path.relative_to(folder)): path.read_bytes().replace(str(folder).encode(), b"DATA")
            for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in OWN}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic") / "data"
    prepare_synthetic(out, TINY, nj=1)
    return out


def test_speech_depends_on_its_own_arguments_only() -> None:
    for voice in ("en-us+f1", "sw+grandma"):  # variants with flutter
        first = synthesise("The teacher is here.", voice)
        synthesise("Something else.", "en+m1", rate=200)
        assert np.array_equal(first, synthesise("The teacher is here.", voice))
        assert first.dtype == np.int16 and 0.5 * SAMPLE_RATE < len(first) < 4 * SAMPLE_RATE
    assert len(synthesise("The teacher is here.", "en-us+f1", rate=100)) > 1.3 * len(
        synthesise("The teacher is here.", "en-us+f1", rate=170))


def test_unknown_voice_and_empty_text() -> None:
    with pytest.raises(SynthesisError, match="no voice 'xx-yy"):
        synthesise("Hello.", "xx-yy+f1")
    with pytest.raises(SynthesisError, match="utterance u1: voice en.f1 is silent on"):
        render(Job("u1", " ", Speaker("s", "en+f1", 1.0, 50, 50, -23.0, 0.1), "", Room(), 1))


def test_deep_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """espeak-ng itself takes no data path above 160 bytes."""
    import espeakng_loader

    usual = synthesise("Hello.", "en+f1")
    deep = tmp_path / ("d" * 90) / ("e" * 90)
    deep.parent.mkdir()
    deep.symlink_to(espeakng_loader.get_data_path())
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(deep))
    assert np.array_equal(synthesise("Hello.", "en+f1"), usual)
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(tmp_path))
    with pytest.raises(SynthesisError, match="does not start with its data in"):
        synthesise("Hello.", "en+f1")


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_voice_speaks(variant: str) -> None:
    """No silence, no clipping, the same each time, and no variant that espeak ignores as its file is absent."""
    plain = synthesise("Mwalimu.", "sw")
    spoken = synthesise("Mwalimu.", f"sw+{variant}")
    assert not np.array_equal(plain, spoken)
    assert np.array_equal(spoken, synthesise("Mwalimu.", f"sw+{variant}"))
    samples = render(Job("utt", "Mwalimu.", Speaker("s", f"sw+{variant}", 1.0, 50, 50, -23.0, 0.1), "", Room(), 1))
    assert 0.2 < len(samples) / 16000 < 2.0
    assert 0.02 < np.sqrt(np.mean(samples ** 2)) < 0.3 and np.abs(samples).max() < 0.98


def test_accents_differ() -> None:
    heard = {synthesise("My father gave the car to a girl.", voice).tobytes() for voice in ACCENTS["en"]}
    assert len(heard) == len(ACCENTS["en"])


def test_speakers_of_train_dev_and_test_share_no_voice() -> None:
    variants: dict[str, set[str]] = {part: set() for part in PARTS}
    for lang in ("en", "sw"):
        people = split_speakers(lang, 60, 5, 5, seed=3)
        assert people == split_speakers(lang, 60, 5, 5, seed=3) != split_speakers(lang, 60, 5, 5, seed=4)
        everyone = [speaker for part in PARTS for speaker in people[part]]
        assert len({speaker.id for speaker in everyone}) == len(everyone) == 70
        assert len({(s.voice, s.pitch, s.rate) for s in everyone}) == 70
        for part in PARTS:
            variants[part] |= {speaker.variant for speaker in people[part]}
    assert not variants["test"] & (variants["train"] | variants["dev"]) and not variants["dev"] & variants["train"]


def test_too_many_speakers_held_out() -> None:
    with pytest.raises(ConfigError, match="leave no voice for training"):
        split_speakers("en", 5, 30, 30, seed=1)
    with pytest.raises(ConfigError, match="no voice is left"):
        speakers("en", 5, 1, exclude=VARIANTS)


def test_no_held_out_sentence_is_in_training_text() -> None:
    options = SyntheticOptions(src_train=900, src_dev=80, src_test=80, tgt_train=900, tgt_dev=80, tgt_test=80,
                      bitext_train=3000, bitext_dev=100, bitext_test=100)
    sets = sample_sets(options)
    keys = {name: {key(side) for pair in pairs for side in pair} for name, pairs in sets.items()}
    training = keys["src_train"] | keys["tgt_train"] | keys["bitext_train"]
    seen: set[str] = set()
    for name in HELD:
        assert not keys[name] & training
        assert not keys[name] & seen
        seen |= keys[name]
    assert not keys["src_train"] & keys["bitext_train"]
    # Were nothing excluded, sentences would recur: the test above would see it.
    free = sample_sets(SyntheticOptions(src_train=10, src_test=3000, bitext_train=10, tgt_train=10))
    again = {key(side) for pair in free["src_test"] for side in pair}
    assert again & training


def test_corpora(corpora: Path) -> None:
    for name in SETS:
        data = read_datadir(corpora / name)
        validate(data)
        wanted = getattr(TINY, name)
        assert len(data) == wanted
        assert ("text.sw.human" in data.texts) == name.startswith("src")
        for utt, path in data.wav_scp.items():
            assert os.path.isabs(path) and utt.startswith(f"{data.utt2spk[utt]}-{name}-")
            samples, rate = soundfile.read(path, dtype="float32")
            seconds = len(samples) / rate
            assert rate == 16000 and samples.ndim == 1 and seconds == pytest.approx(data.utt2dur[utt], abs=1e-3)
            assert 0.4 < seconds < 8 and np.sqrt(np.mean(samples ** 2)) > 0.01 and np.abs(samples).max() < 1
    for part in PARTS:
        pairs = read_pairs(corpora / "bitext", part, ("en", "sw"))
        assert len(pairs) == getattr(TINY, f"bitext_{part}")
    source = read_datadir(corpora / "src_test")
    pairs = sample_sets(TINY)["src_test"]
    assert {(source.text[u], source.texts["text.sw.human"][u]) for u in source.text} == set(pairs)


def test_number_of_processes_does_not_matter(corpora: Path, tmp_path: Path) -> None:
    prepare_synthetic(tmp_path / "data", TINY, nj=2)
    assert contents(tmp_path / "data") == contents(corpora)


def test_finished_is_left_and_broken_is_made_again(corpora: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    prepare_synthetic(out, TINY)
    before = contents(out)
    def times() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file() and path.name != REMEMBERED}

    stamps = times()
    prepare_synthetic(out, TINY)
    assert stamps == times()
    # As after SIGKILL: half a set's audio, no table; a table without its marker; an audio file lost.
    shutil.move(out / "audio" / "src_test", out / "audio" / ".src_test.partial")
    shutil.rmtree(out / "src_test")
    (out / "tgt_dev" / MARKER).unlink()
    next((out / "audio" / "tgt_test").glob("*.flac")).unlink()
    prepare_synthetic(out, TINY)
    assert contents(out) == before
    untouched = out / "src_train" / "text"
    assert untouched.stat().st_mtime_ns == stamps[untouched]


def test_a_set_of_an_older_version_is_made_again_where_audio_is_lost(tmp_path: Path) -> None:
    people = speakers("sw", 1, seed=1)

    def older() -> None:
        """Speak the set, and leave what a version left that took down no digests of recordings."""
        speak_set(tmp_path, "tgt_dev", ["Habari ya leo.", "Mama anapika."], people)
        write_marker(tmp_path / "tgt_dev", {**read_marker(tmp_path / "tgt_dev"), "also": {}})
        sums.unlink()

    sums = tmp_path / "tgt_dev" / AUDIO_SUMS
    older()
    audio = sorted((tmp_path / "audio/tgt_dev").glob("*.flac"))
    stamps = [path.stat().st_mtime_ns for path in audio]
    older()
    assert len(audio) == 2 and [path.stat().st_mtime_ns for path in audio] == stamps, "nothing was lost"
    content = audio[1].read_bytes()
    audio[1].unlink()
    speak_set(tmp_path, "tgt_dev", ["Habari ya leo.", "Mama anapika."], people)
    assert audio[1].read_bytes() == content and len(sums.read_text().splitlines()) == 2


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [f"--{name.replace('_', '-')}=2" for name in (*SETS, "bitext_train", "bitext_dev", "bitext_test",
                                                            "source_speakers", "target_speakers")]
    prepare_command.main(["--out", str(tmp_path / "data"), "--nj", "1", *options])
    assert "src_train: 2 utterances" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="src_train: 0 must be at least 1"):
        prepare_command.main(["--out", str(tmp_path / "none"), "--src-train", "0"])
    assert not (tmp_path / "none").exists()


PAIRS = [(f"The {a} {b} {c} yesterday.", f"Yule {a} wa {b} ali{c} jana.")
         for a in ("teacher", "doctor", "farmer", "driver") for b in ("quickly", "slowly") for c in ("sang", "left")]


@pytest.fixture
def bitext(tmp_path: Path) -> Path:
    folder = tmp_path / "bitext"
    folder.mkdir()
    long = ("This sentence goes on and on until it is much longer than anybody would care to say aloud at once.",
            "Sentensi hii inaendelea na kuendelea mpaka inakuwa ndefu kuliko mtu yeyote angependa kuisoma kwa sauti.")
    parts = {"train": [*PAIRS[:12], long, PAIRS[15], PAIRS[0]], "dev": PAIRS[12:14], "test": PAIRS[14:]}
    for part, pairs in parts.items():
        for side, lang in enumerate(("en", "sw")):
            (folder / f"{part}.{lang}").write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")
    return folder


def test_speak_bitext(bitext: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "data"
    arguments = ["--bitext", str(bitext), "--out", str(out), "--lang", "en", "--target-lang", "sw", "--nj", "1",
                 "--train-sentences", "8", "--speakers", "3", "--dev-speakers", "2", "--test-speakers", "2"]
    speak_command.main(arguments)
    assert "src_train 8, src_dev 2, src_test 2 utterances; 6 pairs left for MT" in capsys.readouterr().out
    spoken = {part: read_datadir(out / f"src_{part}") for part in PARTS}
    rest = read_pairs(out / "bitext", "train", ("en", "sw"))
    assert not set(spoken["train"].text.values()) & {en for en, _ in rest}
    everywhere = {en for en, _ in rest} | set(spoken["train"].text.values())
    assert not everywhere & {en for en, _ in (*PAIRS[12:14], *PAIRS[14:])}  # PAIRS[15] was in train, too
    assert any(en.startswith("This sentence goes on") for en, _ in rest)
    for part in ("dev", "test"):
        assert read_pairs(out / "bitext", part, ("en", "sw")) == read_pairs(bitext, part, ("en", "sw"))
    pairs = dict(PAIRS)
    for data in spoken.values():
        assert all(pairs[text] == data.texts["text.sw.human"][utt] for utt, text in data.text.items())
    before = contents(out)
    speak_command.main(arguments)
    assert contents(out) == before


def test_speak_bitext_refuses(bitext: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="min_words: 20 is above max_words 14"):
        spoken_bitext.speak_bitext(bitext, tmp_path / "data", ("en", "sw"), SpokenBitextOptions(min_words=20))
    with pytest.raises(DataError, match=r"no pair of test is left after choosing sentences of 14 to 14 words .*; "
                                        r"widen these limits \(most are left out for: words 2\)"):
        spoken_bitext.speak_bitext(bitext, tmp_path / "data", ("en", "sw"), SpokenBitextOptions(min_words=14))
    with pytest.raises(DataError, match="train.fr: no such file"):
        spoken_bitext.speak_bitext(bitext, tmp_path / "data", ("en", "fr"))
    with pytest.raises(ConfigError, match="--lang and --target-lang are needed"):
        speak_command.main(["--bitext", str(bitext), "--out", str(tmp_path / "data")])
    assert not (tmp_path / "data").exists()


SUNG = "Mwalimu aliimba vizuri sana."


def reason(languages: tuple[str, str], pair: tuple[str, str]) -> str | None:
    """Return why a pair is not spoken, as :func:`spoken_bitext.split_bitext` asks."""
    rules = [of_bitext(profile(lang)) for lang in languages]
    clean = written(pair[0], rules[0]), written(pair[1], rules[1])
    return why_not_spoken(clean, SpokenBitextOptions(), rules, spoken_scripts([clean[0]], rules[0]))


@pytest.mark.parametrize(("source", "why"), [
    ("The teacher sang very well.", None), ("In 2019 the teacher sang.", None), ("“He’s here”, she said.", None),
    ("(Laughter) The teacher sang \u200bwell. [noise]", None), ("The «teacher» sang „well“ today.", None),
    ("The ngʼombe and the oʻkina sang.", None), ("The caf\u0065\u0301 sang very well.", None),
    ("Too short.", "words"), ("(Laughter) [noise]", "empty"), ("See http://example.org for the song.", "address"),
    ("Follow @teacher for more songs.", "symbol"), ("The teacher sang \U0001f3b5 very well.", "symbol"),
    ("The учитель sang very well.", "script"), ("The NATO teacher sang well.", "capitals"),
    ("1 2 3 4 5 6 7 a.", "letters"), ("The teacher [of songs] sang well.", "symbol"),
    ("The teacher sang well...", "unfinished"),
    ("¿The teacher sang very well?", "symbol"), ("Mwalimu aliimba vizuri sana!", "identical"),
    ("One two three four five six seven eight nine ten a b c d e.", "words"),
    ("The teachers of this and of the other school sang very well.", "ratio")])
def test_what_is_spoken(source: str, why: str | None) -> None:
    assert reason(("en", "sw"), (source, SUNG)) == why


@pytest.mark.parametrize(("languages", "pair", "why"), [
    (("es", "sw"), ("¿Quién cantó «muy bien» ayer?", "Nani aliimba vizuri jana?"), None),
    (("en", "am"), ("The teacher sang very well.", "መምህሩ በጣም ጥሩ ዘፈነ።"), None),
    (("en", "hi"), ("The teacher sang very well.", "शिक्षक ने बहुत अच्छा गाया।"), None),
    (("en", "zh"), ("The teacher sang very well.", "老师唱得很好。"), None),
    (("zh", "en"), ("老师昨天唱得很好。", "The teacher sang very well yesterday."), None),
    (("hi", "en"), ("शिक्षक ने बहुत अच्छा गाया।", "The teacher sang very well."), None),
    (("hi", "en"), ("शिक्षक ने very अच्छा गाया।", "The teacher sang very well."), "script"),
    (("ru", "mdw"), ("Учитель вчера хорошо спел.", "Ɛ́tɛ́ ákaatsóa bwanáa-bobwé mɔ́ɔ́."), None),
    (("fr", "mdw"), ("Il a donné des coups de poing.", "Wa ámitúúngá obia itsωώ s' éléngé"), None),
    (("fr", "yo"), ("Le maître chante très bien.", "Olùkọ́ náà ń kọrin dáadáa."), None),
    (("en", "zh"), ("The teacher sang very well.", "好。"), "ratio"),
    # Modifier letters are letters of words, whether or not a profile knows the language, on either side.
    (("es", "qu"), ("El camino de Juan está seco.", "Juanpa ñanninqa chʼaki."), None),
    (("es", "nhx"), ("El camino de Juan está seco.", "Kaꞌi jachꞌa tꞌoko yaʼ."), None),
    (("en", "haw"), ("The house of John is big.", "He nui ka hale ʻo Keoni."), None),
    (("qu", "es"), ("Juanpa ñanninqa chʼaki kachkan.", "El camino de Juan está seco."), None),
    (("nhx", "es"), ("Kaꞌi jachꞌa tꞌoko yaʼ chiʼ.", "El camino de Juan está seco."), None),
    # Signs that open questions, of languages with a profile and without one.
    (("en", "gn"), ("Where is the house of John?", "¿Moõpa oĩ Huã róga?"), None),
    (("en", "nhx"), ("Where is the house of John?", "¿Kanin yetok ichan Juan?"), None),
    (("nhx", "en"), ("¿Kanin yetok ichan Juan?", "Where is the house of John?"), "symbol")])
def test_the_script_is_that_of_the_spoken_side(languages: tuple[str, str], pair: tuple[str, str],
                                               why: str | None) -> None:
    assert reason(languages, pair) == why


def test_every_pair_is_spoken_or_has_a_reason(bitext: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                              caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with open(bitext / "train.en", "a", encoding="utf-8") as en, open(bitext / "train.sw", "a", encoding="utf-8") as sw:
        en.write("(Applause) The farmer  waited patiently yesterday.\nHello.\n")
        sw.write("Mkulima alisubiri [makofi] kwa subira jana.\nHabari.\n")
    out = tmp_path / "data"
    speak_command.main(["--bitext", str(bitext), "--out", str(out), "--lang", "en", "--target-lang", "sw", "--nj", "1",
                        "--train-sentences", "12", "--speakers", "2", "--dev-speakers", "1", "--test-speakers", "1"])
    data = read_datadir(out / "src_train")
    (utt,) = (utt for utt, text in data.text.items() if "farmer waited" in text)
    assert data.text[utt] == "The farmer waited patiently yesterday."
    assert data.texts["text.sw.human"][utt] == "Mkulima alisubiri kwa subira jana."
    rows = [line.split("\t") for line in (out / "bitext/not_spoken.tsv").read_text(encoding="utf-8").splitlines()]
    assert Counter((part, why) for part, why, *_ in rows) == {
        ("train", "words"): 2, ("train", "repeated"): 2, ("train", "not drawn"): 1}
    assert ("bitext train: 12 of 17 pairs are spoken, 12 were asked for; the others: words 2, repeated 2, not drawn 1"
            in caplog.text)
    assert f"what is not spoken, and why: {out}/bitext/not_spoken.tsv" in capsys.readouterr().out


@pytest.mark.skipif("MAFAND_EN_SW" not in os.environ, reason="MAFAND_EN_SW does not name the English-Swahili bitext")
def test_real_bitext() -> None:
    languages = ("en", "sw")
    parts = {part: read_pairs(os.environ["MAFAND_EN_SW"], part, languages) for part in PARTS}
    split = spoken_bitext.split_bitext(parts, languages, SpokenBitextOptions())
    spoken, rest = split.spoken, split.rest
    assert {part: len(pairs) for part, pairs in spoken.items()} == {"train": 5000, "dev": 150, "test": 150}
    assert len(rest) > 20000
    held = {key(side) for part in ("dev", "test") for pair in parts[part] for side in pair}
    assert not held & {key(side) for pair in (*rest, *spoken["train"]) for side in pair}
    assert not {key(en) for en, _ in rest} & {key(en) for en, _ in spoken["train"]}
