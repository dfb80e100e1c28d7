"""What training shares with dev and test, in sentences: what stage 2 found and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stxfer.report.escapes import code, plain

_DONE = {"remove": "removed from training", "report": "left in training", "stop": "none may stay",
         "dev": "left there"}


Said = Callable[[str], str]
"""How a text of unknown origin is written."""


def leak_lines(leaks: Mapping[str, Any] | None, name: Said = plain, quote: Said = code) -> Iterator[str]:
    """Yield a sentence for each kind of leak, of ``leaks.json``; see :mod:`stxfer.prepare.leaks`.

    Args:
        leaks: what it holds.
        name: of sets and files; by default as in Markdown.
        quote: of sentences.
    """
    if leaks is None:
        return
    text = leaks["found_in"]
    yield f"Sentences of dev and test in training text: {_counted(text, leaks['n'], leaks['leaks'], name)}"
    near = {one: of["near"] for one, of in text.items() if "near" in of}
    if near:
        total = sum(of["n"] for of in near.values())
        yield (f"Training utterances with nearly such a sentence (case, punctuation or one word differs): "
               f"{_counted(near, total, 'report' if total else '', name)}{_example(near, name, quote)}")
    if "audio" in leaks:
        audio = leaks["audio"]
        yield f"Audio of dev and test in training: {_counted(audio['found_in'], audio['n'], audio['leaks'], name)}"
        in_dev = audio["dev_in_test"]
        if total := sum(of["n"] for of in in_dev.values()):
            yield f"Audio of test in dev: {_counted(in_dev, total, 'dev', name)}"
        if recordings := sum(of["recordings"] for of in audio["found_in"].values()):
            yield f"Recordings of which training has one part, and dev or test another: {recordings}"
    for one, of in leaks.get("speakers", {}).items():
        for other, shared in of["shared"].items():
            if of["speakers"] is None:
                yield f"Speakers of {name(one)} in {name(other)}: not known, the corpus does not tell who speaks"
            else:
                yield (f"Speakers of {name(one)} in {name(other)}: {shared['n'] or 'none'} of {of['speakers']}"
                       + (f", who speak {shared['utterances']} of its utterances" if shared["n"] else ""))


def _counted(found: Mapping[str, Any], total: int, what: str, name: Said) -> str:
    if not total:
        return "none"
    places = ", ".join(f"{name(one)} {of['n']}" for one, of in found.items() if of["n"])
    return f"{total} ({places}), {_DONE[what]}"


def _example(near: Mapping[str, Any], name: Said, quote: Said) -> str:
    first = next((example for of in near.values() for example in of["examples"]), None)
    return f", e.g. {quote(first['sentence'])} for {quote(first['near'])} of {name(first['in'])}" if first else ""
