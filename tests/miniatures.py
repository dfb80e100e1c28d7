"""Miniatures of recipes: made-up corpora in their true layouts, on which a recipe runs from data to table in seconds.

``MINIATURES`` has one for each recipe of egs2/recipes.yaml, but for mini_sw, whose corpus is made by its own stage 1.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from corpora_layouts import VOICES, clone, common_voice, covost2, mboshi, speak, write_tsv
from corpora_layouts import fleurs as fleurs_language
from recipes import Pair, Recipe, language_table, tables, write_bitext

from stxfer.corpora.synthetic.grammar import key, sample_pairs

Words = Sequence[tuple[str, str]]
MINIATURES: dict[str, Callable[[Path], Recipe]] = {}


def miniature(make: Callable[[Path], Recipe]) -> Callable[[Path], Recipe]:
    """Register the miniature of the recipe that the function is named after."""
    MINIATURES[make.__name__] = make
    return make


def sentences(seed: int, *parts: Words) -> list[Pair]:
    """Return all sentences that a word or phrase of each part makes, in both languages, shuffled."""
    made = [tuple(" ".join(word[side] for word in chosen if word[side]) for side in (0, 1))
            for chosen in itertools.product(*parts)]
    random.Random(seed).shuffle(made)
    return made  # type: ignore[return-value]


TURKISH = (
    [("The child", "Çocuk"), ("The teacher", "Öğretmen"), ("The woman", "Kadın"), ("My brother", "Kardeşim"),
     ("Our neighbour", "Komşumuz"), ("The doctor", "Doktor"), ("Your friend", "Arkadaşın"), ("Irmak", "Irmak")],
    [("", ""), ("in Istanbul", "İstanbul'da"), ("today", "bugün"), ("at school", "okulda")],
    [("the house", "evi"), ("the book", "kitabı"), ("a red apple", "kırmızı bir elma"), ("the door", "kapıyı"),
     ("the letter", "mektubu"), ("the bread", "ekmeği"), ("the picture", "resmi"), ("the tree", "ağacı")],
    [("sees", "görüyor"), ("wants", "istiyor"), ("brought", "getirdi"), ("sold", "sattı"), ("found", "buldu"),
     ("forgot", "unuttu")])


def turkish_pairs(seed: int) -> list[Pair]:
    """Return sentences in English and Turkish."""
    return [(f"{english}.", f"{turkish}.") for english, turkish in sentences(seed, *TURKISH)]


@miniature
def commonvoice_tr(root: Path) -> Recipe:
    """CoVoST 2's translations; one Turkish clip is not there."""
    pairs = turkish_pairs(1)
    english = common_voice(root / "english", "en", tables([pair[0] for pair in pairs[:54]], "en", train=24, dev=6,
                                                          test=6, validated=18), release="4")
    turkish = common_voice(root / "turkish", "tr", tables([pair[1] for pair in pairs[54:96]], "tr", train=30, dev=6,
                                                          test=6), release="17.0")
    min((turkish / "clips").iterdir()).unlink()
    return Recipe("commonvoice_tr", root, **{
        "common-voice-en": english, "common-voice-tr": turkish.parent,
        "covost": covost2(root / "covost", "en_tr", english, dict(pairs).__getitem__)})


@miniature
def commonvoice_sw(root: Path) -> Recipe:
    """A bitext; ``validated.tsv`` has rows of the test set's speaker, and of its first sentence in capitals."""
    spoken = sample_pairs(90, "commonvoice_sw")
    english = common_voice(root / "english", "en", tables([pair[0] for pair in spoken[:40]], "en", train=28, dev=6,
                                                          test=6), release="25.0")
    rows = tables([pair[1] for pair in spoken[40:]], "sw", train=20, dev=6, test=6, validated=16)
    of_test, said_in_test = rows["test"][0]
    rows["validated"] += [(of_test, spoken[-1][1]), ("sw validated 1", said_in_test.upper())]
    swahili = common_voice(root / "swahili", "sw", rows, release="16.1")
    known = {key(side) for pair in spoken for side in pair}
    return Recipe("commonvoice_sw", root, **{
        "common-voice-en": english, "common-voice-sw": swahili,
        "bitext": write_bitext(root / "bitext", ("en", "sw"), sample_pairs(220, "bitext", known))})


#: Letters of languages, for words that are made up of them.
ALPHABETS = {
    "ar": "ابتثجحخدذرزسشصضطظعغفقكلمنهويءأإئة",
    "br": "abcdefghijklmnoprstuvwyzñùê",
    "ca": "abcdefghijlmnopqrstuvxyzàçéèíòóú",
    "cv": "абвгдежзийклмнопрстуфхцчшыэюяӑӗҫӳ",
    "cy": "abcdefghijlmnoprstuwyâêîôŵŷ",
    "de": "abcdefghijklmnopqrstuvwxyzäöüß",
    "et": "abdefghijklmnoprstuvõäöüšž",
    "eu": "abcdefghijklmnoprstuxzñ",
    "fa": "آابپتثجچحخدذرزژسشصضطظعغفقکگلمنوهی",
    "ha": "abcdefghijklmnorstuwyzɓɗƙƴ",
    "id": "abcdefghijklmnoprstuwy",
    "ja": "日本語東京学生時間人あいうえおかきくけこさしすせそアイウエオ",
    "ka": "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ",
    "ky": "абвгдежзийклмнопрстуүөңфхчшыэюя",
    "lg": "abcdefgijklmnŋoprstuvwyz",
    "lv": "aābcčdeēfgģhiījkķlļmnņoprsštuūvzž",
    "mn": "абвгдеёжзийклмноөпрстуүфхцчшыэюя",
    "rm": "abcdefghijlmnopqrstuvzàèéìòù",
    "rw": "abcdefghijklmnoprstuvwyz",
    "sl": "abcčdefghijklmnoprsštuvzž",
    "sv": "abcdefghijklmnoprstuvxyåäö",
    "ta": "அஆஇஈஉஎஏகஙசஞடணதநபமயரலவழளறன",
    "tt": "абвгдежзийклмнопрстуфхчшыэюяәөүҗңһ",
    "zh": "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家",
}


def made_up(language: str, count: int) -> list[str]:
    """Return sentences of words that are made up of a language's letters."""
    draw, space = random.Random(language), "" if language in ("ja", "zh") else " "
    made = []
    for _ in range(count):
        words = ["".join(draw.choices(ALPHABETS[language], k=draw.randint(2, 5))) for _ in range(draw.randint(3, 5))]
        made.append(space.join(words).capitalize() + ("." if space else "。"))
    return made


def commonvoice(language: str, root: Path) -> Recipe:
    """A recipe of Common Voice: made-up sentences; what says them is the same for all languages."""
    row, shared = language_table()[language], root.parent / "common_voice"
    english = [pair[0] for pair in sample_pairs(120, "commonvoice")]
    source = shared / "en"
    if not source.exists():
        common_voice(shared, "en", tables(english, "en", train=10, dev=4, test=4), release="4")
    rows = tables(made_up(language, 18), language, train=10, dev=4, test=4)  # set for set
    target = clone(source, root / "target", row["common_voice"], rows, release="25.0")
    corpora = {"common-voice-en": source, f"common-voice-{row['common_voice'].lower()}": target}
    translations = dict(zip(english, made_up(language, 120), strict=True))
    if row["covost2"] != "-":
        corpora["covost"] = covost2(root / "covost", row["covost2"], source, translations.__getitem__)
    else:
        corpora["bitext"] = write_bitext(root / "bitext", ("en", language), [*translations.items()][20:])
    return Recipe(f"commonvoice_{language}", root, **corpora)


for code in ALPHABETS:
    MINIATURES[f"commonvoice_{code}"] = partial(commonvoice, code)


@miniature
def fleurs(root: Path) -> Recipe:
    """Swahili with the help of English; one sentence of the English is not in the Swahili."""
    pairs = list(enumerate(sample_pairs(24, "fleurs")))
    parts = {"train": pairs[:14], "dev": pairs[14:19], "test": pairs[19:]}
    english = {part: [(number, pair[0]) for number, pair in some] for part, some in parts.items()}
    swahili = {part: [(number, pair[1]) for number, pair in some if number != 3] for part, some in parts.items()}
    fleurs_language(root / "fleurs", "en_us", english)
    fleurs_language(root / "fleurs", "sw_ke", swahili)
    return Recipe("fleurs", root, "--target=sw", fleurs=root / "fleurs")


@miniature
def manifest(root: Path) -> Recipe:
    """Two tables of WAV files; the English is the bitext's, which the synthesiser speaks."""
    spoken = sample_pairs(30, "manifest")
    (root / "clips").mkdir()
    for name, some in (("train", spoken[:24]), ("test", spoken[24:])):
        rows = [{"path": f"clips/{name}{k}.wav", "sentence": pair[1], "client_id": f"{name}{k}"}
                for k, pair in enumerate(some)]
        for k, row in enumerate(rows):
            speak(root / row["path"], row["sentence"], f"sw+{VOICES[k % len(VOICES)]}", 16000)
        write_tsv(root / f"{name}.tsv", ["path", "sentence", "client_id"], rows)
    known = {key(side) for pair in spoken for side in pair}
    return Recipe("manifest", root, "--target=sw", "--columns=audio=path text=sentence speaker=client_id", **{
        "speech": root / "train.tsv", "test-speech": root / "test.tsv",
        "bitext": write_bitext(root / "bitext", ("en", "sw"), sample_pairs(80, "manifest text", known))})


@miniature
def voa_sw(root: Path) -> Recipe:
    """Swahili of one speaker; the English is the bitext's, which the synthesiser speaks."""
    spoken = sample_pairs(30, "voa_sw")
    rows = {name: [("reader", sentence) for _, sentence in table] for name, table in
            tables([pair[1] for pair in spoken], "sw", train=18, dev=6, test=6).items()}
    known = {key(side) for pair in spoken for side in pair}
    return Recipe("voa_sw", root, "--parts=", **{
        "voa-sw": common_voice(root / "voa", "sw", rows, release="4"),
        "mafand-en-sw": write_bitext(root / "mafand", ("en", "sw"), sample_pairs(160, "mafand", known))})


@miniature
def mafand_en_sw(root: Path) -> Recipe:
    """Text alone."""
    return Recipe("mafand_en_sw", root, **{
        "mafand-en-sw": write_bitext(root / "mafand", ("en", "sw"), sample_pairs(1000, "mafand_en_sw"))})


MBOSHI = (
    [("Le chien", "Mvándé"), ("Mon ami", "Obia wa ngá"), ("Le singe", "Kyéma"), ("L'enfant", "Mwána")],
    [("a vu", "ámitέέ"), ("a pris", "ápfúsu"), ("vend", "ayeékirá"), ("cherche", "asωsa")],
    [("la corde", "ikíé"), ("le poisson", "tswέ"), ("les bananes", "akωndω"), ("la pagaie", "kái l' itsωώ")])
MBOSHI_SPEAKERS = ("abiayi", "kouarata", "martial")


@miniature
def mboshi_fr(root: Path) -> Recipe:
    """Sentences in the corpus's orthography, one recorded twice; the French corpus has no ``test.tsv``."""
    spoken = sentences(1, *MBOSHI)
    # A sentence recorded twice, and a translation that training and test share.
    train = [*spoken[:36], spoken[0], (spoken[40][0], "Asωsa kái")]
    rows = {name: [(MBOSHI_SPEAKERS[k % 3], *pair) for k, pair in enumerate(some)]
            for name, some in (("train", train), ("dev", spoken[36:44]))}
    subjects, verbs, things = ([french for french, _ in part] for part in MBOSHI)
    french = [f"{subject} {verb} bien {thing}." for subject, verb, thing in
              itertools.product(subjects, verbs, things)][:36]
    source = common_voice(root / "french", "fr", tables(french, "fr", train=24, dev=12), release="17.0")
    (source / "test.tsv").unlink()
    return Recipe("mboshi_fr", root, **{"mboshi-fr": mboshi(root / "mboshi", rows), "source-corpus": source})
