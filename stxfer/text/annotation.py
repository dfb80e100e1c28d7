r"""What stands in a text and is not spoken: events, tags, placeholders, the marks of tokenisers and of markup.

Conventions covered: those of NIST and the LDC (``%hesitation``, ``((unclear))``, ``{ um / uh }``), Babel and Kaldi
(``<noise>``, ``[vocalized-noise]``, ``!SIL``), Switchboard (``[laughter-yes]``), CMU (``++um++``), CHAT (``&=laughs``),
TED's and subtitles' (``(Applause)``, ``{\an8}``, music notes), HTML, Moses (``@-@``, ``&#91;``), subword-nmt (``@@``),
SentencePiece, OPUS-MT (``>>sw<<``) and the Penn Treebank (``-LRB-``).
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import yaml

from stxfer.text.profiles import Profile, has_profile

LONGEST = 6  # words: what is longer in brackets is text
_SUSPECT = re.compile(r"[\[\](){}<>&@*+%#_=~|\\^▁￭⁇♩♪♫♬（）［］｛｝＜＞【】〔〕〈〉﹙﹚]")
_SUSPECT_WORD = re.compile(r"-[LR][RSC]B-|!SIL|[:;][-']?[DPpOo]\b")
_PLACEHOLDER = 60  # characters; longer lines are not looked up
_WHOLE = re.compile(r"(?:\d\d:)?\d\d:\d\d[,.]\d{3} --> (?:\d\d:)?\d\d:\d\d[,.]\d{3}")  # subtitles' timing
_ENTITY = re.compile(r"&\s?(#\s?\d{1,7}|#\s?[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31})\s?;")
_ESCAPE = re.compile(r"\\(?:u(?![dD][89a-fA-F])[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[nrth](?![^\W_A-Za-z])|N|['\"])")
_MOSES = re.compile(r"\s*@([-/,.])@\s*|\s*￭\s*|-[LR][RSC]B-")
_PENN = {"R": "()", "S": "[]", "C": "{}"}
_SUBWORD = re.compile(r"(?<=\w)@@(?:\s+|$)|▁|⁇")
_TAG = re.compile(r"<(?:(?=[^\W\d_]|[/!?~@%2])[^<>]{0,200}|[\d:.,]+)>|＜[^＜＞]{1,60}＞")
_INLINE = re.compile(r"</?\s?(?:b|i|u|em|strong|font|span|sub|sup|small|mark|big|abbr|s)(?:\s[^<>]*)?>", re.IGNORECASE)
_TARGET = re.compile(r">>(\w{2,3}(?:_\w{4})?)<<|__(\w{2,3})__(?!\w)|<2(\w{2,3})>")
# What begins with a set of characters is found ten times as fast as what begins with alternatives.
_BRACKETED = {"round": re.compile(r"[(（﹙【〔〈](?:(?<=[(（﹙])([^()（）﹙﹚]*)[)）﹚]|"
                                  r"(?<=[【〔〈])([^【】〔〕〈〉]*)[】〕〉])"),
              "square": re.compile(r"[\[［]([^\[\]［］]*)[\]］]"), "curly": re.compile(r"[{｛]([^{}｛｝]*)[}｝]")}
_FILLER = re.compile(r"(?<!\w)\+\+([^\W\d][\w-]*)\+\+(?!\w)")
_PAIRED = re.compile(r"(?<![\w*+#=_~|/^])([*+#=_~|/^]{1,3})\s?([^\W\d_][\w' -]{0,40}?)\s?\1(?![\w*+#=_~|/^])")
_SIGN = re.compile("[*+#=_~|/^]")
_SIGNED = re.compile(r"(?<!\w)(?:%([^\W\d_][\w-]*)|&=([^\W\d_][\w:]*)|!(SIL|sil|NULL)\b)")
_NOTES = re.compile(r"[♩♪♫♬]+")
_SMILEY = re.compile(r"(?<!\S)(?:[:;=][-o^']?(?:[DPpOo]|[()\[\]/\\|*]+)|<3|[xX]D)(?!\w)")
_WORD = re.compile(r"[^\W\d_](?:[\w'’·-]*\w)?")


class Marker(NamedTuple):
    """Something that was not speech: its kind and how it was written."""

    kind: str
    text: str


def spoken(text: str, profile: Profile, found: list[Marker] | None = None) -> str:
    """Return what is speech of a line, its case and punctuation as they were.

    Args:
        text: a line, in the form NFC.
        profile: the rules of its language.
        found: receives what was removed. Kinds: ``event``, ``language``, ``tag``, ``entity``, ``tokeniser``,
            ``escape``, ``music``, ``emoticon``, ``placeholder``.
    """
    if len(text) < _PLACEHOLDER and text.strip() in profile.placeholders or \
            "-->" in text and _WHOLE.match(text.strip()):
        _note(found, "placeholder", text)
        return ""
    if not _SUSPECT.search(text) and not _has_suspect_word(text):
        return text
    while True:
        before = text
        if profile.markup == "remove":
            text = _without_markup(text, profile, found)
        if profile.angle != "keep":
            text = _TAG.sub(lambda match: _tag(match, profile, found), text)
        for kind, brackets in _BRACKETED.items():
            if (policy := getattr(profile, kind)) != "keep":
                text = brackets.sub(functools.partial(_bracketed, policy, profile, found), text)
        if text == before:
            return "" if text.strip() in profile.placeholders else text


def _has_suspect_word(text: str) -> bool:
    return (":" in text or ";" in text or "B-" in text or "!" in text) and _SUSPECT_WORD.search(text) is not None


def is_event(content: str, profile: Profile) -> bool:
    """Whether all words name an event: one does at least, the others say how it was."""
    words = [word.casefold() for word in _WORD.findall(content.replace("_", "-"))]
    if not words or len(words) > LONGEST or any(char.isdigit() for char in content):
        return False
    names, others = _lexicon()
    own = frozenset(word.casefold() for word in profile.events)
    whole = "-".join(words)
    named = [word in names or word in own for word in words]
    return whole in names or whole in own or any(named) and all(
        name or word in others for name, word in zip(named, words, strict=True))


@functools.cache
def _lexicon() -> tuple[frozenset[str], frozenset[str]]:
    data = yaml.safe_load(Path(__file__).with_name("annotation.yaml").read_text(encoding="utf-8"))
    names = {word.replace("_", "-").casefold() for words in data["events"].values() for word in words.split()}
    return frozenset(names), frozenset(word.casefold() for word in data["with"].split())


def _note(found: list[Marker] | None, kind: str, text: str) -> None:
    if found is not None:
        found.append(Marker(kind, text.strip()))


def _without_markup(text: str, profile: Profile, found: list[Marker] | None) -> str:
    def in_text(*needed: str) -> bool:  # to look for the rest of a pattern takes longer
        return any(part in text for part in needed)

    if in_text("&"):
        text = _each(_ENTITY, text, found, "entity", _entity)
    if in_text("\\"):
        text = _each(_ESCAPE, text, found, "escape", _escape)
    if in_text("-@", "/@", ",@", ".@", "￭", "B-"):
        text = _each(_MOSES, text, found, "tokeniser", _moses)
    if in_text("@@", "▁", "⁇"):
        text = _each(_SUBWORD, text, found, "tokeniser", lambda match: "" if match[0][0] == "@" else " ")
    if in_text("<<", "__", "<2"):
        text = _each(_TARGET, text, found, "language", lambda match: " ")
    if in_text("++"):
        text = _each(_FILLER, text, found, "event", lambda match: " ")
    if _SIGN.search(text):
        text = _each(_PAIRED, text, found, "event", lambda match: " " if is_event(match[2], profile) else match[0])
    if in_text("%", "&=", "!"):
        text = _each(_SIGNED, text, found, "event", lambda match: match[0]
                     if match[1] and not is_event(match[1], profile) else " ")
    if in_text(":", ";", "=", "<3", "xD", "XD"):
        text = _each(_SMILEY, text, found, "emoticon", lambda match: " ")
    return _each(_NOTES, text, found, "music", lambda match: " ")


def _each(pattern: re.Pattern[str], text: str, found: list[Marker] | None, kind: str,
          meant: Callable[[re.Match[str]], str]) -> str:
    def replaced(match: re.Match[str]) -> str:
        new = meant(match)
        if new != match[0]:
            _note(found, kind, match[0])
        return new

    return pattern.sub(replaced, text)


def _entity(match: re.Match[str]) -> str:
    name = re.sub(r"\s", "", match[1])
    for known in (name, name.lower()):
        if (char := html.unescape(f"&{known};")) != f"&{known};":
            return "" if char == "\ufffd" else char
    return match[0]


def _escape(match: re.Match[str]) -> str:
    code = match[0][1:]
    if code[0] in "ux":
        return chr(int(code[1:], 16))
    return code if code in "'\"" else " "


def _moses(match: re.Match[str]) -> str:
    if match[0][0] == "-":
        return _PENN[match[0][2]]["LR".index(match[0][1])]
    return match[1] or ""


def _tag(match: re.Match[str], profile: Profile, found: list[Marker] | None) -> str:
    content = match[0].strip("<>＜＞/!?~ ")
    if len(content.split()) > LONGEST and "=" not in content and match[0][1] != "!":
        return match[0]
    if profile.angle == "events" and match[0][1] not in "/!" and not _INLINE.match(match[0]) and \
            not is_event(content, profile):
        return match[0]
    inline = _INLINE.match(match[0])
    kind = "event" if is_event(content.rpartition(":")[2], profile) else \
        "language" if not inline and _is_language(content) else "tag"
    _note(found, kind, match[0])
    return "" if inline else " "


def _bracketed(policy: str, profile: Profile, found: list[Marker] | None, match: re.Match[str]) -> str:
    content = next((part for part in match.groups() if part is not None), "").strip()
    if is_event(content, profile):
        _note(found, "event", match[0])
        return " "
    if not any(map(str.isalnum, content)):
        if content or match[0][0] in "[{":  # "()" is punctuation
            _note(found, "event", match[0])
        return " "
    if match[0][0] == "{" and (chosen := _alternative(content)) is not None:
        _note(found, "event", match[0])
        return f" {chosen} "
    start, end = match.span()
    attached = match.string[start - 1:start].isalpha(), match.string[end:end + 1].isalpha()
    if any(attached) and content.isalpha() and not all(attached) and len(content) <= (3 if attached[0] else 1):
        return content  # word(s), (s)he, [T]he
    if content.lower().startswith("laughter-"):
        _note(found, "event", match[0])
        return f" {content.partition('-')[2]} "
    if policy != "all" or len(content.split()) > LONGEST:
        return match[0]
    _note(found, "language" if _is_language(content) else
          "placeholder" if content in profile.placeholders else "event", match[0])
    return " "


def _alternative(content: str) -> str | None:
    """Return the first of NIST's alternatives ``um / uh / @``, or the words of Switchboard's ``F um,``."""
    if " / " in content:
        return content.partition(" / ")[0].strip(" @*")
    return content[2:] if re.match(r"[A-Z] \S", content) else None


def _is_language(content: str) -> bool:
    code = content.lower().replace("_", "-").partition("-")[0]
    return content[:1].isalpha() and len(content) <= 8 and has_profile(code)
