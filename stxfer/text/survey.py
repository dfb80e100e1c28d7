"""What a text holds besides plain words, and what a profile makes of it: for a human eye to judge."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import regex

from stxfer.text.annotation import Marker, spoken
from stxfer.text.normalise import normalise
from stxfer.text.profiles import Profile

N_EXAMPLES = 5
COMMON = 0.05  # share of letters from which on a script is one that a text is in
_APOSTROPHES = regex.compile(r"(?<=\p{L}\p{M}*)['‘’‛`´′ʹʻʼʽˈ＇ꞌ՚״׳](?=\p{L})|(?<!\S)[ʻʼ‘](?=\p{L})")
_BETWEEN = regex.compile(r"(?<=\p{L}\p{M}*)(?!['‘’‛`´′ʹ＇])[\p{P}\p{S}](?=\p{L})")
_ENDING = regex.compile(r"(\p{L})\p{M}*['’](?![\p{L}\p{M}\p{N}'’])")
_OPENING = regex.compile(r"(?<![^\s(\[«“\"])['‘’](?=\p{L})")  # a quotation: what closes it is no apostrophe
ELIDED = 0.01  # share of words from which on apostrophes at their ends are the language's, not those of a few names
_SCRIPT = regex.compile(r"\p{Script=Latin}|\p{Script=Greek}|\p{Script=Cyrillic}|\p{Script=Armenian}|\p{Script=Hebrew}")
_NAMES = {"LATIN": "Latin", "GREEK": "Greek", "CYRILLIC": "Cyrillic", "CJK": "Han"}
TWINS = dict(zip("асеорхуіјѕԁһкмтɑοανρικ", "aceopxyijsdhkmtaoavpik", strict=True))  # Cyrillic and Greek to Latin


class Survey:
    """Counts what is found in the lines given to it.

    Attributes:
        annotation: how often each kind of annotation stands there, and the commonest of each kind.
        before, after: characters before normalising, in the form NFC, and after.
        words: words after normalising.
        apostrophes: what stands for one between letters.
        between: other signs between letters.
        endings: letters, in lower case, that an apostrophe follows at the end of a word, where none opens a quotation.
        lone: lines of nothing but annotation.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.annotation: dict[str, Counter[str]] = defaultdict(Counter)
        self.before: Counter[str] = Counter()
        self.after: Counter[str] = Counter()
        self.words: Counter[str] = Counter()
        self.apostrophes: Counter[str] = Counter()
        self.between: Counter[str] = Counter()
        self.endings: Counter[str] = Counter()
        self.n_lines = self.lone = self.undecodable = 0

    def add(self, lines: Iterable[str]) -> None:
        """Take more lines, as the corpus has them."""
        for line in lines:
            found: list[Marker] = []
            composed = unicodedata.normalize("NFC", line)
            speech = spoken(composed, self.profile, found)
            for kind, text in found:
                self.annotation[kind][text] += 1
            clean = normalise(line, self.profile)
            self.n_lines += 1
            self.lone += bool(found) and not clean
            self.undecodable += "\ufffd" in line
            self.before.update(composed)
            self.after.update(clean)
            self.words.update(clean.split())
            self.apostrophes.update(_APOSTROPHES.findall(composed))
            self.between.update(_BETWEEN.findall(speech))
            if not _OPENING.search(speech):
                self.endings.update(map(str.lower, _ENDING.findall(speech)))

    def scripts(self) -> frozenset[str]:
        """Return the scripts of the profile, or those that more than a few letters are of."""
        if self.profile.scripts:
            return frozenset(self.profile.scripts)
        count: Counter[str] = Counter()
        for char, n in self.after.items():
            if char.isalpha():
                count[script(char)] += n
        return frozenset(name for name, n in count.items() if n >= COMMON * count.total())

    def mixed(self) -> Counter[str]:
        """Return the words in which letters of two scripts of alphabets stand that the language does not mix."""
        own = frozenset(self.profile.scripts)
        return Counter({word: n for word, n in self.words.items() if not word.isascii() and
                        len(found := {script(char) for char in _SCRIPT.findall(word)}) > 1 and not found <= own})

    def removed(self) -> Counter[str]:
        """Return the characters of the text that are not written any more, with how often; of letters only lost ones.

        Letters that are left elsewhere are lost with annotation. An upper-case letter counts as the lower-case one.
        """
        lower: Counter[str] = Counter()
        for char, n in self.before.items():
            if not char.isspace():
                lower[char if char in self.after else char.lower()] += n
        return Counter({char: n - self.after[char] for char, n in lower.items()
                        if n > self.after[char] and not (char in self.after and char.isalpha())
                        and not (len(char) > 1 and set(char) <= self.after.keys())})

    def variants(self) -> list[tuple[str, ...]]:
        """Return groups of words that differ by a look-alike, a mark or an apostrophe alone, the commonest first."""
        groups: dict[str, list[str]] = defaultdict(list)
        for word in self.words:
            if not word.isascii() or "'" in word:
                groups[skeleton(word)].append(word)
        for word in self.words:
            if word.isascii() and "'" not in word and word in groups:
                groups[word].append(word)
        several = [words for words in groups.values() if len(words) > 1]
        found = [tuple(sorted(words, key=lambda word: -self.words[word])) for words in several]
        return sorted(found, key=lambda words: -sum(self.words[word] for word in words))

    def summary(self) -> dict[str, Any]:
        """Return the counts and examples, as JSON can hold them."""
        mixed = self.mixed()
        return {"annotation": {kind: _counted(count) for kind, count in sorted(self.annotation.items())},
                "nothing_else": self.lone, "undecodable": self.undecodable,
                "mixed_scripts": _counted(mixed)}

    def suggestions(self) -> dict[str, Any]:
        """Return rules, by name, that would settle what the profile leaves open; none if there is nothing."""
        rules: dict[str, Any] = {}
        unknown = {char: n for char, n in self.apostrophes.items() if char not in self.profile.apostrophes
                   and char not in self.profile.inner and char not in dict(self.profile.replace)}
        if unknown:
            rules["apostrophes"] = "".join([*self.profile.apostrophes, *sorted(unknown)])
        if self.profile.punctuation == "remove" and self.endings.total() > ELIDED * self.words.total():
            usual = {letter for letter, n in self.endings.items() if n > ELIDED * self.endings.total()}
            rules["apostrophe_after"] = "".join(sorted({*self.profile.apostrophe_after, *usual}))
        if len(own := self.scripts()) == 1:
            strays: Counter[str] = Counter()
            for word, n in self.mixed().items():
                letters = [char for char in word if char.isalpha()]
                if 2 * sum(script(char) in own for char in letters) <= len(letters):
                    continue  # a word of the other script, not one of this with a letter of the other
                for char in word:
                    if char in TWINS and script(char) not in own and "Latin" in own:
                        strays[char] += n
            if strays:
                rules["replace"] = dict(self.profile.replace) | {char: TWINS[char] for char in sorted(strays)}
        return rules


def _counted(count: Counter[str]) -> dict[str, Any]:
    return {"n": count.total(), "examples": [text for text, _ in count.most_common(N_EXAMPLES)]}


def script(char: str) -> str:
    """Return the script of a letter, in Unicode's words for the commonest ones."""
    first = unicodedata.name(char, "UNNAMED").partition(" ")[0]
    return _NAMES.get(first, first.title())


def skeleton(word: str) -> str:
    """Return what is left of a word without marks and apostrophes, look-alikes of Latin letters as these."""
    bare = (char for char in unicodedata.normalize("NFD", word) if not unicodedata.combining(char) and char != "'")
    return "".join(TWINS.get(char, char) for char in bare)
