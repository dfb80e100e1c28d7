"""English verb groups and articles."""

from __future__ import annotations

from stxfer.corpora.synthetic.lexicon import Verb

THIRD = "third"  # he, she, the teacher; "first" is I; "other" is you, we, they and plurals


def be(person: str, *, past: bool = False) -> str:
    """Return am, is, are, was or were."""
    if past:
        return "were" if person == "other" else "was"
    return {"first": "am", THIRD: "is"}.get(person, "are")


def auxiliary(verb: Verb, person: str, tense: str) -> tuple[str, str]:
    """Return the finite auxiliary of a negative or a question, and the rest: ``("did", "read")``."""
    if tense == "present":
        return be(person), verb.ing
    if tense == "progressive":
        return be(person, past=True), verb.ing
    if tense == "future":
        return "will", verb.base
    if tense == "perfect":
        return ("has" if person == THIRD else "have"), verb.participle
    if tense == "past":
        return "did", verb.base
    return ("does" if person == THIRD else "do"), verb.base  # habit


def verb_group(verb: Verb, person: str, tense: str, *, negative: bool = False, adverb: str = "") -> str:
    """Return the finite verb group.

    Args:
        verb: the verb.
        person: first, third or other.
        tense: past, present (-ing), habit (simple present), future, perfect, progressive (was -ing).
        negative: with "not".
        adverb: an adverb before the verb, such as "always".
    """
    if negative:
        finite, rest = auxiliary(verb, person, tense)
        return " ".join(filter(None, [finite, "not", adverb, rest]))
    if tense == "past":
        return f"{adverb} {verb.past}".strip()
    if tense == "habit":
        return f"{adverb} {verb.third if person == THIRD else verb.base}".strip()
    finite, rest = auxiliary(verb, person, tense)
    return " ".join(filter(None, [finite, adverb, rest]))


def with_article(phrase: str) -> str:
    """Put "a" or "an" before a phrase."""
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase
