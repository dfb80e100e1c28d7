"""Miniatures of recipes: made-up corpora in their true layouts, on which a recipe runs from data to table in seconds.

``MINIATURES`` has one for each recipe of egs2/recipes.yaml, but for mini_sw, whose corpus is made by its own stage 1.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from corpora_layouts import common_voice, covost2, mboshi
from recipes import Pair, Recipe, tables, write_bitext

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
