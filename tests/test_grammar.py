"""The synchronous grammar: hand-checked Swahili, and what every sample must satisfy."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

import pytest

from stxfer.corpora.synthetic import morphology, nominal, verbal
from stxfer.corpora.synthetic.grammar import MAX_WORDS, MIN_WORDS, distinct_sentences, key, sample_pairs
from stxfer.corpora.synthetic.lexicon import Adjective, Noun, Verb, lexicon
from stxfer.corpora.synthetic.phrases import Chooser, NounSpec, modifier, realise
from stxfer.text.normalise import normalise
from stxfer.text.profiles import profile

# English, Swahili; noun (singular), plural, then determiner, adjective, number, owner
NOUN_PHRASES: list[tuple[str, str, tuple[Any, ...]]] = [
    ("two big books", "vitabu viwili vikubwa", ("book", True, "", "big", "two")),
    ("my good chair", "kiti changu kizuri", ("chair", False, "my", "good")),
    ("these new houses", "nyumba mpya hizi", ("house", True, "this", "new")),
    ("a new house", "nyumba mpya", ("house", False, "a", "new")),
    ("the new car", "gari jipya", ("car", False, "the", "new")),
    ("the new cars", "magari mapya", ("car", True, "the", "new")),
    ("the white flower", "ua jeupe", ("flower", False, "the", "white")),
    ("those white flowers", "maua meupe yale", ("flower", True, "that", "white")),
    ("three red shoes", "viatu vitatu vyekundu", ("shoe", True, "", "red", "three")),
    ("a red shoe", "kiatu chekundu", ("shoe", False, "a", "red")),
    ("the black keys", "funguo nyeusi", ("key", True, "the", "black")),
    ("this black key", "ufunguo mweusi huu", ("key", False, "this", "black")),
    ("her songs", "nyimbo zake", ("song", True, "her")),
    ("his long song", "wimbo wake mrefu", ("song", False, "his", "long")),
    ("our walls", "kuta zetu", ("wall", True, "our")),
    ("the tall trees", "miti mirefu", ("tree", True, "the", "tall")),
    ("that tall tree", "mti mrefu ule", ("tree", False, "that", "tall")),
    ("many umbrellas", "miavuli mingi", ("umbrella", True, "", None, "many")),
    ("many children", "watoto wengi", ("child", True, "", None, "many")),
    ("many eggs", "mayai mengi", ("egg", True, "", None, "many")),
    ("many tables", "meza nyingi", ("table", True, "", None, "many")),
    ("four good doctors", "madaktari wanne wazuri", ("doctor", True, "", "good", "four")),
    ("my cat", "paka wangu", ("cat", False, "my")),
    ("five fierce lions", "simba watano wakali", ("lion", True, "", "fierce", "five")),
    ("this white cow", "ng'ombe mweupe huyu", ("cow", False, "this", "white")),
    ("my mother", "mama yangu", ("mother", False, "my")),
    ("your big brother", "kaka yako mkubwa", ("brother", False, "your", "big")),
    ("our sisters", "dada zetu", ("sister", True, "our")),
    ("their friends", "marafiki zao", ("friend", True, "their")),
    ("your children", "watoto wenu", ("child", True, "your.pl")),
    ("the teacher's book", "kitabu cha mwalimu", ("book", False, "", None, "", "teacher")),
    ("the farmer's two goats", "mbuzi wawili wa mkulima", ("goat", True, "", None, "two", "farmer")),
    ("the doctor's old car", "gari la zamani la daktari", ("car", False, "", "old", "", "doctor")),
    ("hot tea", "chai ya moto", ("tea", False, "", "hot")),
    ("this cold water", "maji ya baridi haya", ("water", False, "this", "cold")),
    ("clean water", "maji safi", ("water", False, "", "clean")),
    ("the sweet oranges", "machungwa matamu", ("orange", True, "the", "sweet")),
    ("a ripe banana", "ndizi mbivu", ("banana", False, "a", "ripe")),
    ("all the windows", "madirisha yote", ("window", True, "all")),
    ("all the students", "wanafunzi wote", ("student", True, "all")),
    ("every boy", "kila mvulana", ("boy", False, "every")),
    ("the long stories", "hadithi ndefu", ("story", True, "the", "long")),
    ("the expensive letter", "barua ghali", ("letter", False, "the", "expensive")),
    ("ten dirty plates", "sahani kumi chafu", ("plate", True, "", "dirty", "ten")),
    ("an old woman", "mwanamke mzee", ("woman", False, "a", "old")),
    ("the sick men", "wanaume wagonjwa", ("man", True, "the", "sick")),
    ("the bad food", "chakula kibaya", ("food", False, "the", "bad")),
    ("a thin dog", "mbwa mwembamba", ("dog", False, "a", "thin")),
    ("my two small beds", "vitanda vyangu viwili vidogo", ("bed", True, "my", "small", "two")),
]


def noun(english: str) -> Noun:
    return next(entry for entry in lexicon().nouns if entry.english[0] == english)


def adjective(english: str | None, of: Noun) -> Adjective | None:
    return next((a for a in lexicon().adjectives if a.english == english and a.kinds & of.kinds), None)


@pytest.mark.parametrize(("english", "swahili", "spec"), NOUN_PHRASES, ids=[row[0] for row in NOUN_PHRASES])
def test_noun_phrase(english: str, swahili: str, spec: tuple[Any, ...]) -> None:
    name, plural, determiner, quality, number, owner = (*spec, None, "", None)[:6] if len(spec) == 3 else \
        (*spec, "", None)[:6] if len(spec) == 4 else (*spec, None)[:6]
    head = noun(name)
    phrase = realise(NounSpec(head, plural, determiner, adjective(quality, head), number,
                              noun(owner) if owner else None))
    assert (phrase.english, phrase.swahili) == (english, swahili)


@pytest.mark.parametrize(("form", "arguments"), [
    ("anasoma", ("soma", 1, "present")), ("ninasoma", ("soma", "1s", "present")), ("wanasoma", ("soma", 2, "habit")),
    ("mnasoma", ("soma", "2p", "present")), ("tulisoma", ("soma", "1p", "past")), ("utasoma", ("soma", "2s", "future")),
    ("amesoma", ("soma", 1, "perfect")), ("alikuwa anasoma", ("soma", 1, "progressive")),
    ("ulianguka", ("anguka", 3, "past")), ("ilianguka", ("anguka", 4, "past")), ("lilianguka", ("anguka", 5, "past")),
    ("yalianguka", ("anguka", 6, "past")), ("kilianguka", ("anguka", 7, "past")), ("vilianguka", ("anguka", 8, "past")),
    ("itaanguka", ("anguka", 9, "future")), ("zimeanguka", ("anguka", 10, "perfect")),
    ("umeanguka", ("anguka", 11, "perfect")),
    ("anakula", ("la", 1, "present")), ("alikunywa", ("nywa", 1, "past")), ("watakuja", ("ja", 2, "future")),
    ("alipokuja", ("ja", 1, "when")), ("waliporudi", ("rudi", 2, "when")), ("ililiwa", ("liwa", 9, "past")),
    ("alifanya kazi", ("fanya kazi", 1, "past")), ("anaenda", ("enda", 1, "present")),
    ("asome", ("soma", 1, "subjunctive")), ("warudi", ("rudi", 2, "subjunctive")), ("ale", ("la", 1, "subjunctive")),
    ("twende", ("enda", "1p", "subjunctive")), ("tusome", ("soma", "1p", "subjunctive")),
])
def test_verb(form: str, arguments: tuple[str, morphology.Agreement, str]) -> None:
    assert morphology.verb(*arguments) == form


@pytest.mark.parametrize(("form", "arguments"), [
    ("hasomi", ("soma", 1, "present")), ("sisomi", ("soma", "1s", "present")), ("husomi", ("soma", "2s", "present")),
    ("hatusomi", ("soma", "1p", "present")), ("hamsomi", ("soma", "2p", "present")), ("hawasomi", ("soma", 2, "habit")),
    ("hali", ("la", 1, "present")), ("hawanywi", ("nywa", 2, "present")), ("harudi", ("rudi", 1, "present")),
    ("hakusoma", ("soma", 1, "past")), ("sikula", ("la", "1s", "past")), ("hatakuja", ("ja", 1, "future")),
    ("hatasoma", ("soma", 1, "future")), ("hajasoma", ("soma", 1, "perfect")),
    ("hazijaanguka", ("anguka", 10, "perfect")),
    ("hakikuanguka", ("anguka", 7, "past")), ("hafanyi kazi", ("fanya kazi", 1, "present")),
    ("hakuwa anasoma", ("soma", 1, "progressive")),
])
def test_negative_verb(form: str, arguments: tuple[str, morphology.Agreement, str]) -> None:
    assert morphology.verb(*arguments, negative=True) == form


@pytest.mark.parametrize(("form", "stem", "whom"), [
    ("alimwona", "ona", 1), ("aliwaona", "ona", 2), ("aliniona", "ona", "1s"), ("alikuona", "ona", "2s"),
    ("alituona", "ona", "1p"), ("alimsaidia", "saidia", 1), ("alimuuliza", "uliza", 1), ("alimwita", "ita", 1),
    ("alimpa", "pa", 1), ("aliwapa", "pa", 2), ("alimletea", "letea", 1)])
def test_object_prefix(form: str, stem: str, whom: morphology.Agreement) -> None:
    assert morphology.verb(stem, 1, "past", whom=whom) == form


def test_other_forms() -> None:
    assert [morphology.locative_copula(who) for who in ("1s", "1p", *range(1, 12))] == \
        ["niko", "tuko", "yuko", "wako", "uko", "iko", "liko", "yako", "kiko", "viko", "iko", "ziko", "uko"]
    assert [morphology.locative_copula(who, negative=True) for who in ("1s", "2s", 1, 2, 7)] == \
        ["siko", "huko", "hayuko", "hawako", "hakiko"]
    assert [morphology.have(who) for who in ("1s", "2p", 1, 2)] == ["nina", "mna", "ana", "wana"]
    assert [morphology.imperative(*a) for a in (("soma",), ("la",), ("leta",), ("saidia", 1), ("uliza", 2))] == \
        ["soma", "kula", "lete", "msaidie", "waulize"]
    assert [morphology.infinitive(*a) for a in (("soma",), ("la",), ("ona", 1), ("enda",))] == \
        ["kusoma", "kula", "kumwona", "kwenda"]


class Guided(Chooser):
    """Chooses among what the wanted sentence mentions, by numbers from 0 to 1 that each choice draws once."""

    def __init__(self, wanted: str, numbers: dict[tuple[Any, int], float], generator: random.Random) -> None:
        super().__init__("")
        self.wanted = f" {key(wanted)} "
        self.numbers, self.generator, self.made = numbers, generator, Counter[Any]()

    def number(self, kind: Any) -> float:
        self.made[kind] += 1
        if self.made[kind] > 30:  # the rule wants a word that the sentence does not mention
            raise LookupError
        return self.numbers.setdefault((kind, self.made[kind]), self.generator.random())

    def _mentioned(self, option: Any) -> bool:
        if isinstance(option, Noun):
            words: Sequence[str] = [*option.english, *(f"{word}'s" for word in option.english)]
        elif isinstance(option, Verb):
            words = [option.base, option.third, option.past, option.participle, option.ing]
        elif isinstance(option, Adjective):
            words = [option.english]
        elif isinstance(option, tuple):
            words = [str(part) for part in option[:2]]
        else:
            return True
        return any(f" {key(word)} " in self.wanted for word in words)

    def one(self, options: Sequence[Any], weights: Sequence[float] | None = None) -> Any:
        possible = [option for k, option in enumerate(options) if weights is None or weights[k] > 0]
        left = [option for option in possible if self._mentioned(option)] or possible
        return left[int(self.number(str(options[0])) * len(left))]

    def chance(self, probability: float) -> bool:
        return self.number(probability) < probability ** 0.5 if probability < 1 else True


def derive(rule: Any, english: str, swahili: str, tries: int = 6000) -> set[str]:
    """Climb to derivations of the English sentence; return their Swahili sides, the wanted one if it is found."""
    generator, wanted, made = random.Random(english), english.split(), set()
    numbers: dict[tuple[Any, int], float] = {}
    best = 0.0
    for _ in range(tries):
        other = {choice: value for choice, value in numbers.items() if generator.random() > 0.1}
        try:
            en, sw = rule(Guided(english, other, generator))
        except LookupError:
            continue
        score = SequenceMatcher(None, wanted, en.split(), autojunk=False).ratio()
        if en == english:
            made.add(sw)
            if sw == swahili:
                break
        if score >= best or generator.random() < 0.02:
            numbers, best = other, score
    return made


SENTENCES = [
    (verbal.transitive, "the teacher reads two big books every day", "mwalimu anasoma vitabu viwili vikubwa kila siku"),
    (verbal.transitive, "the teacher is reading two big books", "mwalimu anasoma vitabu viwili vikubwa"),
    (verbal.intransitive, "my cat is sleeping", "paka wangu analala"),
    (verbal.intransitive, "the big tree fell", "mti mkubwa ulianguka"),
    (verbal.intransitive, "the girls will return home tomorrow", "wasichana watarudi nyumbani kesho"),
    (verbal.intransitive, "the cup has fallen", "kikombe kimeanguka"),
    (verbal.intransitive, "the car has not arrived", "gari halijafika"),
    (verbal.intransitive, "she works on the farm every day", "anafanya kazi shambani kila siku"),
    (verbal.intransitive, "yesterday the man came to the market", "jana mwanaume alikuja sokoni"),
    (verbal.intransitive, "I did not go to school", "sikuenda shuleni"),
    (verbal.intransitive, "my father lives in town", "baba yangu anaishi mjini"),
    (verbal.intransitive, "the boys ran quickly", "wavulana walikimbia haraka"),
    (verbal.transitive, "my sister bought three red shirts", "dada yangu alinunua mashati matatu mekundu"),
    (verbal.transitive, "the woman saw the thin dog", "mwanamke alimwona mbwa mwembamba"),
    (verbal.transitive, "the children are drinking milk", "watoto wanakunywa maziwa"),
    (verbal.transitive, "we washed the clean plates", "tuliosha sahani safi"),
    (verbal.transitive, "she washed the dirty shirt", "alifua shati chafu"),
    (verbal.transitive, "I will help you", "nitakusaidia"),
    (verbal.transitive, "he does not know them", "hawajui"),
    (verbal.transitive, "the lion ate the meat", "simba alikula nyama"),
    (verbal.transitive, "they were building a bridge last year", "walikuwa wanajenga daraja mwaka jana"),
    (verbal.ditransitive, "the woman gave the child an orange", "mwanamke alimpa mtoto chungwa"),
    (verbal.ditransitive, "the woman gave an orange to the child", "mwanamke alimpa mtoto chungwa"),
    (verbal.ditransitive, "my brother bought me a bicycle", "kaka yangu alininunulia baiskeli"),
    (verbal.passive, "these chairs were broken by the boys", "viti hivi vilivunjwa na wavulana"),
    (verbal.passive, "the song was written by my mother", "wimbo uliandikwa na mama yangu"),
    (verbal.passive, "the houses will be built by the farmers", "nyumba zitajengwa na wakulima"),
    (verbal.modal, "the girl wants to read this letter", "msichana anataka kusoma barua hii"),
    (verbal.modal, "the students must return to school", "lazima wanafunzi warudi shuleni"),
    (verbal.modal, "I cannot open the door", "siwezi kufungua mlango"),
    (verbal.command, "please open the window", "tafadhali fungua dirisha"),
    (verbal.command, "do not close the door", "usifunge mlango"),
    (verbal.command, "let us cook the food", "tupike chakula"),
    (verbal.command, "please help my friend", "tafadhali msaidie rafiki yangu"),
    (verbal.question, "where is my book?", "kitabu changu kiko wapi?"),
    (verbal.question, "where are the children?", "watoto wako wapi?"),
    (verbal.question, "who bought this car?", "nani alinunua gari hili?"),
    (verbal.question, "what is he reading?", "anasoma nini?"),
    (verbal.question, "did you see the elephant?", "je, ulimwona tembo?"),
    (verbal.compound, "the boy cried because he was sick", "mvulana alilia kwa sababu alikuwa mgonjwa"),
    (verbal.compound, "when I returned, the girl was sleeping", "niliporudi, msichana alikuwa analala"),
    (verbal.compound, "the man is singing but the child is crying", "mwanaume anaimba lakini mtoto analia"),
    (nominal.predicate, "these chairs are heavy", "viti hivi ni vizito"),
    (nominal.predicate, "the water was very cold", "maji yalikuwa ya baridi sana"),
    (nominal.predicate, "my father is a doctor", "baba yangu ni daktari"),
    (nominal.predicate, "we are not rich", "sisi si tajiri"),
    (nominal.located, "the key is on the table", "ufunguo uko mezani"),
    (nominal.located, "the books are not under the bed", "vitabu haviko chini ya kitanda"),
    (nominal.located, "our cows were near the tree", "ng'ombe wetu walikuwa karibu na mti"),
    (nominal.possession, "the farmer has five goats", "mkulima ana mbuzi watano"),
    (nominal.possession, "I had a bicycle", "nilikuwa na baiskeli"),
    (nominal.existence, "there are many elephants in the forest", "kuna tembo wengi msituni"),
    (nominal.existence, "there was a lamp in the room", "kulikuwa na taa chumbani"),
]


@pytest.mark.parametrize(("rule", "english", "swahili"), SENTENCES, ids=[row[1] for row in SENTENCES])
def test_sentence(rule: Any, english: str, swahili: str) -> None:
    assert swahili in derive(rule, english, swahili)


def surface_forms() -> set[str]:
    """All Swahili words that the grammar may use, from the word list and the paradigms."""
    words = lexicon()
    who: list[morphology.Agreement] = [*morphology.PERSONS, *range(1, 12)]
    whom: list[morphology.Agreement | None] = [None, *morphology.OBJECTS, 1]
    forms: set[str] = {"na", "ni", "si", "kila", "lazima", "tafadhali", "nani", "nini", "wapi", "je", "sana", "kuna",
                       "kulikuwa", "lakini", "kwa", "sababu", "mimi", "wewe", "yeye", "sisi", "nyinyi", "wao"}
    forms.update(form for entry in words.nouns for form in entry.swahili)
    forms.update(form for a in words.adjectives for c in range(1, 12) for form in modifier(a, c).split())
    forms.update(morphology.adjective("ingi", c) for c in range(1, 12))
    forms.update(morphology.numeral(stem, c) for _, stem in words.numerals for c in (2, 4, 6, 8, 10))
    for c in range(1, 12):
        concord = morphology.CONCORD[c]
        forms |= {concord.this, concord.that, morphology.genitive(c), morphology.every(c)}
        forms.update(morphology.possessive(owner, c) for owner in morphology.POSSESSIVE)
    for row in (*words.places, *words.surfaces, *words.prepositions, *(time[:2] for time in words.times)):
        forms.update(key(row[-1]).split())
    forms.update(word for pairs in words.manner.values() for _, sw in pairs for word in sw.split())
    forms.update(word for other in words.synonyms.values() for word in other.split())
    verbs = [*words.intransitive, *words.transitive, *words.ditransitive]
    stems = {v.stem for v in verbs} | {v.passive for v in verbs if v.passive} | {"wa", "taka", "penda", "weza"}
    stems |= {words.synonyms[stem] for stem in stems & words.synonyms.keys()}
    for stem, subject, target in itertools.product(stems, who, whom):
        for tense in ("past", "present", "future", "perfect"):
            for negative in (False, True):
                forms.update(morphology.verb(stem, subject, tense, negative=negative, whom=target).split())
        for tense in ("when", "subjunctive"):
            forms.update(morphology.verb(stem, subject, tense, whom=target).split())
    for stem, target in itertools.product(stems, whom):
        forms.update(morphology.infinitive(stem, target).split())
        forms.add(morphology.imperative(stem, target))
        forms.update(("usi" + morphology.verb(stem, "2s", "subjunctive", whom=target)[1:]).split())
    for subject, negative in itertools.product(who, (False, True)):
        forms |= {morphology.have(subject, negative=negative), morphology.locative_copula(subject, negative=negative)}
    return forms


@pytest.fixture(scope="module")
def sample() -> list[tuple[str, str]]:
    return sample_pairs(6000, 7)


def test_every_swahili_word_is_a_known_form(sample: list[tuple[str, str]]) -> None:
    forms = surface_forms()
    strange = {word for _, sw in sample for word in key(sw).split()} - forms
    assert not strange


def test_samples(sample: list[tuple[str, str]]) -> None:
    for en, sw in sample:
        assert MIN_WORDS <= len(en.split()) <= MAX_WORDS
        for side in (en, sw):
            assert side[0].isupper() and side[-1] in ".?" and "  " not in side and side == side.strip()
            assert len(side.split()) >= 2
    for side in zip(*sample, strict=True):
        assert len({key(sentence) for sentence in side}) == len(sample)
    english = {word for en, _ in sample for word in key(en).split()}
    swahili = {word for _, sw in sample for word in key(sw).split()}
    assert 300 <= len(english) <= 500 and len(swahili) >= 1500


def test_keys_are_normalised_text(sample: list[tuple[str, str]]) -> None:
    for en, sw in sample[:2000]:
        assert (key(en), key(sw)) == (normalise(en, profile("en")), normalise(sw, profile("sw")))


def test_sampling_is_seeded_and_excludes(sample: list[tuple[str, str]]) -> None:
    assert sample_pairs(100, 7) == sample[:100]
    assert sample_pairs(100, 8) != sample[:100]
    excluded = {key(sample[3][0]), key(sample[5][1])}
    others = sample_pairs(100, 7, excluded)
    assert others[:3] == sample[:3] and others != sample[:100]
    assert not excluded & {key(side) for pair in others for side in pair}


def test_there_are_many_sentences() -> None:
    assert distinct_sentences() > 3_000_000
