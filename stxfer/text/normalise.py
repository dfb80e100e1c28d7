"""One normalisation for training and scoring text: what is compared is what was learnt.

By default case and punctuation go; letters, combining marks (tones, vowel signs) and digits stay. What
differs between languages is data, ``profiles.yaml``, not code; an experiment file may change it.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stxfer.core.errors import ConfigError

APOSTROPHE = "'"
_VERSION = 2  # of the algorithm below; part of every profile's identity
_JOINERS = "\u200c\u200d"  # ZWNJ, ZWJ: they distinguish words of Persian and of Indic scripts
_CHOICES = {"form": ("NFC", "NFKC"), "case": ("lower", "turkic", "keep"), "punctuation": ("remove", "keep"),
            "digits": ("keep", "ascii", "remove"), "words": ("spaces", "none"),
            "bleu": ("13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "flores200")}
_SCORING = ("words", "bleu")  # rules that say how text is scored, and change nothing of it
_NAME = re.compile(r"[a-z]{2,8}(-[a-z0-9]{1,8})*")


@dataclass(frozen=True)
class Profile:
    """The rules for one language; ``profiles.yaml`` says what each means.

    Attributes:
        name: the language's code, ``default`` for a language without a profile of its own.
    """

    name: str
    form: str
    case: str
    punctuation: str
    digits: str
    apostrophes: str
    apostrophe_before: str
    stops: str
    separators: str
    inner: str
    letters: str
    strip: str
    words: str
    bleu: str
    replace: tuple[tuple[str, str], ...]

    @property
    def spaced(self) -> bool:
        """Whether spaces part the words, so that words can be counted."""
        return self.words == "spaces"

    @property
    def identity(self) -> str:
        """A signature to print beside a score, e.g. ``norm:sw.v2.3f2a9c01|case:lower|punct:no``."""
        rules = {key: value for key, value in dataclasses.asdict(self).items() if key not in _SCORING}
        digest = hashlib.sha256(json.dumps(rules | {"name": ""}, sort_keys=True).encode()).hexdigest()
        return (f"norm:{self.name}.v{_VERSION}.{digest[:8]}|case:{'mixed' if self.case == 'keep' else 'lower'}"
                f"|punct:{'yes' if self.punctuation == 'keep' else 'no'}")


def load_profiles(changes: Mapping[str, Any] | None = None, where: str = "normalise") -> Mapping[str, Profile]:
    """Return the profiles of ``profiles.yaml``, some of them changed or added to.

    Args:
        changes: rules by language code, over those of the language's own profile, or of ``default``.
        where: what error messages call the place of ``changes``.

    Raises:
        ConfigError: an unknown rule, a value that a rule cannot have, or rules that contradict each other.
    """
    profiles = dict(_builtin())
    if not isinstance(changes or {}, Mapping):
        raise ConfigError(f"{where}: must map languages to rules, not {changes!r}")
    for name, rules in (changes or {}).items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigError(f"{where}: {name!r} is not a language code such as sw or sr-latn; quote \"no\", which "
                              "YAML takes for false")
        base = profiles.get(name, profiles["default"])
        profiles[name] = _changed(dataclasses.replace(base, name=name), rules, f"{where}.{name}")
    return profiles


@functools.cache
def _builtin() -> Mapping[str, Profile]:
    rules = yaml.safe_load(Path(__file__).with_name("profiles.yaml").read_text(encoding="utf-8"))
    nothing = Profile("default", *(_CHOICES[field.name][0] if field.name in _CHOICES else ""
                                   for field in dataclasses.fields(Profile)[1:-1]), replace=())
    default = _changed(nothing, rules["default"], "profiles.yaml: default")
    return {name: _changed(dataclasses.replace(default, name=name), of, f"profiles.yaml: {name}")
            for name, of in rules.items()}


def _changed(base: Profile, rules: Any, where: str) -> Profile:
    known = [field.name for field in dataclasses.fields(Profile)[1:]]
    if not isinstance(rules, Mapping):
        raise ConfigError(f"{where}: must be a mapping of rules, not {rules!r}")
    values: dict[str, Any] = {}
    for key, value in rules.items():
        if key not in known:
            raise ConfigError(f"{where}: unknown rule {key!r}; known: {' '.join(known)}")
        if key in _CHOICES and value not in _CHOICES[key]:
            raise ConfigError(f"{where}.{key}: {value!r} must be one of {' '.join(_CHOICES[key])}")
        if key == "replace":
            values[key] = _replacements(value, f"{where}.{key}")
        elif not isinstance(value, str):
            raise ConfigError(f"{where}.{key}: {value!r} must be a string of characters; quote it")
        else:
            values[key] = value if key in _CHOICES else "".join(sorted(set(value)))  # identity: order says nothing
    profile = dataclasses.replace(base, **values)
    if composed := [char for char in profile.strip if unicodedata.normalize("NFD", char) != char]:
        raise ConfigError(f"{where}.strip: {composed[0]!r} is a letter with a mark; name the mark alone, "
                          "or use replace")
    one_place = ("apostrophes", "stops", "inner", "letters", "strip")
    for key, other in ((a, b) for i, a in enumerate(one_place) for b in one_place[i + 1:]):
        if both := set(getattr(profile, key)) & set(getattr(profile, other)):
            raise ConfigError(f"{where}: {min(both)!r} stands in both {key} and {other}")
    return profile


def _replacements(value: Any, where: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        raise ConfigError(f"{where}: must map characters to strings, not {value!r}")
    for char, meant in value.items():
        if len(char) != 1 or unicodedata.normalize("NFC", char) != char:
            raise ConfigError(f"{where}: {char!r} is not one character in Unicode's form NFC")
        if again := set(meant) & set(value):
            raise ConfigError(f"{where}: {char!r} becomes {meant!r}, of which {min(again)!r} is replaced itself")
    return tuple(sorted(value.items()))


PROFILES = load_profiles()


def profile(lang: str, profiles: Mapping[str, Profile] = PROFILES) -> Profile:
    """Return the profile of a language code (``sw``, ``sw-KE``): its own, its language's or the default one."""
    code = lang.replace("_", "-").lower()
    while code:
        if code in profiles:
            return profiles[code]
        code = code.rpartition("-")[0]
    return profiles["default"]


def normalise(text: str, profile: Profile) -> str:
    """Return ``text`` in the profile's Unicode form and case, single-spaced, by default without punctuation.

    Where punctuation is removed, dashes, the profile's separators, and stops and commas that join two words
    become spaces; other punctuation and symbols are deleted; apostrophes and the profile's inner punctuation
    are kept between letters, marks or digits. Applying it twice changes nothing.
    """
    text = unicodedata.normalize("NFC", text)
    if profile.form == "NFKC":
        text = unicodedata.normalize("NFC", text.translate(_compatible(profile)))
    text = unicodedata.normalize("NFC", _cased(text, profile))
    if profile.replace:
        text = text.translate({ord(char): _cased(meant, profile) for char, meant in profile.replace})
    if profile.strip:
        text = unicodedata.normalize("NFD", text).translate(dict.fromkeys(map(ord, profile.strip)))
    text = unicodedata.normalize("NFC", text)
    if profile.punctuation == "remove" and profile.stops:
        text = _forgotten_space(profile.stops).sub(" ", text)
    text = text.translate(_outcomes(profile))
    if profile.punctuation == "remove" and any(char in text for char in APOSTROPHE + profile.inner):
        text = _only_inside(text, profile)
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _cased(text: str, profile: Profile) -> str:
    if profile.case == "turkic":
        text = text.replace("İ", "i").replace("I", "ı")
    return text if profile.case == "keep" else text.lower()


@functools.cache
def _forgotten_space(stops: str) -> re.Pattern[str]:
    """Match a stop as in "jela.Kuna", but not those of "U.S." and "25,000"."""
    return re.compile(rf"(?<=[^\W\d_]{{2}})[{re.escape(stops)}](?=[^\W\d_]{{2}})")


class _Table(dict[int, str]):
    """A table for ``str.translate`` that remembers: a corpus has few characters, and Unicode's tables are slow."""

    def __init__(self, outcome: Callable[[str], str]) -> None:
        self.outcome = outcome

    def __missing__(self, code: int) -> str:
        self[code] = self.outcome(chr(code))
        return self[code]


@functools.cache
def _compatible(profile: Profile) -> _Table:
    def outcome(char: str) -> str:
        folded = unicodedata.normalize("NFKC", char)
        named = char in profile.apostrophes + profile.separators + profile.inner + profile.letters
        # "…" must not become three stops, nor a spacing accent a space and an accent.
        spared = unicodedata.category(char)[0] == "P" or (folded[0] == " " != folded)
        return char if named or spared else folded

    return _Table(outcome)


@functools.cache
def _outcomes(profile: Profile) -> _Table:
    def outcome(char: str) -> str:
        if char in profile.apostrophes:
            return APOSTROPHE
        return char if char in profile.inner else _outside(char, profile)

    return _Table(outcome)


def _outside(char: str, profile: Profile) -> str:
    """Return what becomes of a character that is no apostrophe and not between letters."""
    if char in profile.letters or char in _JOINERS:
        return char
    category = unicodedata.category(char)
    if char.isspace() or char == "\u200b":
        return " "  # U+200B parts the words of scripts written without spaces
    if profile.punctuation == "remove" and (category == "Pd" or char in profile.separators):
        return " "
    if category in ("Nd", "No") and profile.digits == "remove":
        return ""
    if category == "Nd" and profile.digits == "ascii":
        return str(unicodedata.decimal(char))
    return "" if category[0] in ("PSC" if profile.punctuation == "remove" else "C") else char


def _only_inside(text: str, profile: Profile) -> str:
    """Leave apostrophes and inner punctuation where they stand inside words."""
    def in_word(char: str) -> bool:
        return bool(char) and (unicodedata.category(char)[0] in "LMN" or char in profile.letters)

    kept = []
    for i, char in enumerate(text):
        if char == APOSTROPHE or char in profile.inner:
            before, after = in_word(text[i - 1:i]), in_word(text[i + 1:i + 2])
            initial = char == APOSTROPHE and not before and text[i + 1:i + 2] in tuple(profile.apostrophe_before)
            if not (before and after) and not initial:
                char = "" if char == APOSTROPHE else _outside(char, profile)
        kept.append(char)
    return "".join(kept)
