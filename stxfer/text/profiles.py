"""How each language's text is normalised: data, ``profiles.yaml``, which an experiment file may change."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stxfer.core.errors import ConfigError

_VERSION = 4  # of what normalise does with the rules; part of every profile's identity
_BRACKETS = ("events", "all", "keep")
_CHOICES = {"form": ("NFC", "NFKC"), "case": ("lower", "turkic", "keep"), "punctuation": ("remove", "keep"),
            "between": ("part", "join"), "digits": ("keep", "ascii", "remove", "refuse"), "decimal": ("", ".", ","),
            "round": _BRACKETS, "square": _BRACKETS, "curly": _BRACKETS, "angle": _BRACKETS,
            "markup": ("remove", "keep"), "words": ("spaces", "none"),
            "bleu": ("13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "flores200")}
_WORDS = ("events", "placeholders", "scripts")  # rules that are lists of words
_CHANGE_NOTHING = ("name", "words", "bleu", "scripts")  # rules that change nothing of the text
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
    between: str
    digits: str
    decimal: str
    apostrophes: str
    apostrophe_before: str
    apostrophe_after: str
    stops: str
    separators: str
    deleted: str
    inner: str
    letters: str
    strip: str
    round: str
    square: str
    curly: str
    angle: str
    markup: str
    words: str
    bleu: str
    events: tuple[str, ...]
    placeholders: tuple[str, ...]
    scripts: tuple[str, ...]
    replace: tuple[tuple[str, str], ...]
    spellings: tuple[tuple[str, str], ...]

    def __hash__(self) -> int:
        return hash(self.name)  # every line of a text looks its profile up

    @property
    def spaced(self) -> bool:
        """Whether spaces part the words, so that words can be counted."""
        return self.words == "spaces"

    @property
    def identity(self) -> str:
        """A signature to print beside a score, e.g. ``norm:sw.v3.3f2a9c01|case:lower|punct:no``."""
        return _identity(self)


@functools.cache
def _identity(profile: Profile) -> str:
    rules = {key: value for key, value in dataclasses.asdict(profile).items() if key not in _CHANGE_NOTHING}
    digest = hashlib.sha256(json.dumps(rules | {"lexicon": _lexicon_digest()}, sort_keys=True).encode()).hexdigest()
    return (f"norm:{profile.name}.v{_VERSION}.{digest[:8]}|case:{'mixed' if profile.case == 'keep' else 'lower'}"
            f"|punct:{'yes' if profile.punctuation == 'keep' else 'no'}")


@functools.cache
def _lexicon_digest() -> str:
    return hashlib.sha256(Path(__file__).with_name("annotation.yaml").read_bytes()).hexdigest()


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
        base = profile(name, profiles) if name != "default" else profiles[name]
        profiles[name] = _changed(dataclasses.replace(base, name=name), rules, f"{where}.{name}")
    return profiles


@functools.cache
def _file() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("profiles.yaml").read_text(encoding="utf-8"))
    return data


@functools.cache
def _builtin() -> Mapping[str, Profile]:
    rules = {name: of for name, of in _file().items() if name != "aliases"}
    nothing = Profile("default", *(_CHOICES[field.name][0] if field.name in _CHOICES else  # type: ignore[arg-type]
                                   "" if field.type == "str" else () for field in dataclasses.fields(Profile)[1:]))
    default = _changed(nothing, rules["default"], "profiles.yaml: default")
    profiles: dict[str, Profile] = {}
    for names, of in rules.items():
        for name in names.split():
            if name in profiles or not (name == "default" or _NAME.fullmatch(name)):
                raise ConfigError(f"profiles.yaml: {name!r} stands there twice, or is not a language code")
            profiles[name] = _changed(dataclasses.replace(default, name=name), of, f"profiles.yaml: {name}")
    return profiles


def _changed(base: Profile, rules: Any, where: str) -> Profile:
    known = [field.name for field in dataclasses.fields(Profile)[1:]]
    if not isinstance(rules, Mapping):
        raise ConfigError(f"{where}: must be a mapping of rules, not {rules!r}")
    values: dict[str, Any] = {}
    for key, value in rules.items():
        if key not in known:
            raise ConfigError(f"{where}: unknown rule {key!r}; known: {' '.join(known)}")
        if key in _CHOICES:
            if value not in _CHOICES[key]:
                raise ConfigError(f"{where}.{key}: {value!r} must be one of {' '.join(_CHOICES[key])}")
            values[key] = value
        elif key in ("replace", "spellings"):
            values[key] = _replacements(value, f"{where}.{key}", single=key == "replace")
        elif key in _WORDS:
            if not isinstance(value, (list, tuple)) or not all(isinstance(word, str) and word for word in value):
                raise ConfigError(f"{where}.{key}: {value!r} must be a list of words; quote each")
            values[key] = tuple(sorted(set(value)))
        elif not isinstance(value, str):
            raise ConfigError(f"{where}.{key}: {value!r} must be a string of characters; quote it")
        else:
            values[key] = "".join(sorted(set(value)))  # identity: order says nothing
    profile = dataclasses.replace(base, **values)
    if composed := [char for char in profile.strip if unicodedata.normalize("NFD", char) != char]:
        raise ConfigError(f"{where}.strip: {composed[0]!r} is a letter with a mark; name the mark alone, "
                          "or use replace")
    one_place = ("apostrophes", "stops", "inner", "letters", "strip", "deleted")
    for key, other in ((a, b) for i, a in enumerate(one_place) for b in one_place[i + 1:]):
        if both := set(getattr(profile, key)) & set(getattr(profile, other)):
            raise ConfigError(f"{where}: {min(both)!r} stands in both {key} and {other}")
    return profile


def _replacements(value: Any, where: str, *, single: bool) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        raise ConfigError(f"{where}: must map characters to strings, not {value!r}")
    for char, meant in value.items():
        if single and (len(char) != 1 or unicodedata.normalize("NFC", char) != char):
            raise ConfigError(f"{where}: {char!r} is not one character in Unicode's form NFC; sequences are for "
                              "spellings")
        if not single and (len(char) < 2 or unicodedata.normalize("NFC", char) != char):
            raise ConfigError(f"{where}: {char!r} is not a sequence of characters in Unicode's form NFC; single ones "
                              "are for replace")
        if again := [other for other in sorted(value) if other in meant]:
            raise ConfigError(f"{where}: {char!r} becomes {meant!r}, of which {again[0]!r} is replaced itself")
    return tuple(sorted(value.items()))


def profile(lang: str, profiles: Mapping[str, Profile] | None = None) -> Profile:
    """Return the profile of a language code (``sw``, ``sw-KE``, ``swh_Latn``): its own, its language's, the default."""
    profiles = PROFILES if profiles is None else profiles
    code = lang.replace("_", "-").lower()
    while code:
        first, dash, rest = code.partition("-")
        for known in (code, f"{_file()['aliases'].get(first, first)}{dash}{rest}"):
            if known in profiles:
                return profiles[known]
        code = code.rpartition("-")[0]
    return profiles["default"]


def of_bitext(rules: Profile, square: str = "events") -> Profile:
    """Return a language's rules for text that was written and not transcribed, that of bitexts.

    Square brackets hold an editor's words there, "he [the president] said", which are words of the sentence, where
    those of transcripts hold what is not speech: only known events are removed.

    Args:
        rules: of the language.
        square: what takes the place of its rule ``square`` if that is ``all``.
    """
    return dataclasses.replace(rules, square=square) if rules.square == "all" != square else rules


def has_profile(lang: str, profiles: Mapping[str, Profile] | None = None) -> bool:
    """Whether a language has rules of its own."""
    return lang != "default" and profile(lang, profiles).name != "default"


PROFILES = load_profiles()
