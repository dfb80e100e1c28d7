"""Small changes to files: of any bytes, of lines, of the values of JSON and YAML, of a model's parameters."""

from __future__ import annotations

import copy
import io
import json
import pickle
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import yaml
from hostile_cases.case import Mark

#: What stands in place of a value of JSON or YAML: of each type, empty, out of range, too deep, too long.
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 1e308, float("nan"), float("inf"), 10 ** 30, "", "x", "1", "../../x", "/etc/passwd",
    "a\nb", "\0", "\u2028", "\U0001f600" * 40, [], [1], [[]], ["x", None], {}, {"x": 1}, {"": None})
WORDS = ("", "x", "-1", "0", "nan", "1e999", "../x", "/dev/zero", "1 1", "1,2", "\u0663", "a\nb", "9" * 400, "--", "-")


def mutate(path: Path, rng: random.Random, canary: Path) -> str:
    """Change a file a little; return what was done.

    Args:
        path: the file; it becomes one of its own where it was a link to another's content.
        rng: decides.
        canary: a folder that is made if something in the file is run.
    """
    kinds: list[Callable[[Path, random.Random], str]] = [_bytes]
    if path.suffix in (".json", ".yaml", ".jsonl"):
        kinds = [_bytes, _value, _value, _value]
    elif path.suffix == ".pth":
        kinds = [_bytes, _bytes, lambda path, rng: _parameters(path, rng, canary)]
    elif b"\0" not in path.read_bytes()[:4096]:
        kinds = [_bytes, _lines, _lines, _lines]
    return rng.choice(kinds)(path, rng)


def write(path: Path, content: bytes) -> None:
    """Write a file of its own: the old content may be that of other links, too."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def _bytes(path: Path, rng: random.Random) -> str:
    content = path.read_bytes()
    at = rng.randrange(len(content) + 1)
    changes: dict[str, Callable[[], bytes]] = {
        "emptied": lambda: b"", "cut short": lambda: content[:at], "zeros at the end": lambda: content[:at] + bytes(
            len(content) - at), "a flipped bit": lambda: content[:at] + bytes(byte ^ 1 << rng.randrange(8) for byte in
                                                                             content[at:at + 1]) + content[at + 1:],
        "bytes put in": lambda: content[:at] + rng.randbytes(8) + content[at:],
        "no UTF-8": lambda: content[:at] + b"\xff\xfe" + content[at:], "a mark of byte order":
            lambda: b"\xef\xbb\xbf" + content, "UTF-16": lambda: content.decode("latin-1").encode("utf-16"),
        "other line ends": lambda: content.replace(b"\n", b"\r\n"), "twice": lambda: content * 2,
        "noise": lambda: rng.randbytes(len(content) % 5000)}
    how = rng.choice([*changes, "removed", "a folder"])
    if how in changes:
        write(path, changes[how]())
        return how
    path.unlink()
    if how == "a folder":
        path.mkdir()
    return how


def _lines(path: Path, rng: random.Random) -> str:
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    at = rng.randrange(len(lines))
    fields = lines[at].split(" ")
    changes: dict[str, Callable[[], list[str]]] = {
        "a line less": lambda: lines[:at] + lines[at + 1:], "a line twice": lambda: [*lines[:at + 1], *lines[at:]],
        "lines shuffled": lambda: rng.sample(lines, len(lines)),
        "an empty line": lambda: [*lines[:at], "", *lines[at:]],
        "a line of key alone": lambda: [*lines[:at], fields[0], *lines[at + 1:]],
        "a tab": lambda: [*lines[:at], lines[at].replace(" ", "\t", 1), *lines[at + 1:]],
        "another value": lambda: [*lines[:at], f"{fields[0]} {rng.choice(WORDS)}", *lines[at + 1:]],
        "another key": lambda: [*lines[:at], " ".join([rng.choice(WORDS), *fields[1:]]), *lines[at + 1:]],
        "a long line": lambda: [*lines[:at], lines[at] + " x" * 100_000, *lines[at + 1:]],
        "U+2028": lambda: [*lines[:at], lines[at] + "\u2028b c", *lines[at + 1:]],
        "a zero byte": lambda: [*lines[:at], lines[at] + "\0", *lines[at + 1:]],
        "a lone surrogate": lambda: [*lines[:at], lines[at] + "\udce9", *lines[at + 1:]]}
    how = rng.choice(list(changes))
    write(path, "\n".join(changes[how]()).encode(errors="surrogateescape"))
    return how


def places(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the places of all values of JSON or YAML."""
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*place, key))


def _value(path: Path, rng: random.Random) -> str:
    text = path.read_text(encoding="utf-8")
    rows = text.splitlines() if path.suffix == ".jsonl" else [text]
    row = rng.randrange(len(rows))
    value: Any = yaml.safe_load(text) if path.suffix == ".yaml" else json.loads(rows[row])
    value, how = other_value(value, rng)
    if path.suffix == ".yaml":
        write(path, yaml.dump(value, Dumper=_Dumper, allow_unicode=True).encode())
        return how
    if rng.random() < 0.05:
        how, rows[row] = "brackets 100,000 deep", "[" * 100_000 + "]" * 100_000
    else:
        rows[row] = json.dumps(value, indent=None if path.suffix == ".jsonl" else 2)
    write(path, "\n".join(rows).encode())
    return how


class _Dumper(yaml.SafeDumper):
    """Writes what is there twice twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def other_value(value: Any, rng: random.Random) -> tuple[Any, str]:
    """Return a copy of a value of JSON or YAML with one place changed, and what was done."""
    value = copy.deepcopy(value)
    *above, last = rng.choice([place for place in places(value) if place] or [(None,)])
    if last is None:
        return rng.choice(VALUES), "another value"
    parent = value
    for key in above:
        parent = parent[key]
    shown, new = ".".join(map(str, (*above, last))), rng.choice(VALUES)
    what = rng.choice(["another", "another", "another", "removed", "renamed", "wrapped"])
    if what == "removed":
        del parent[last]
        return value, f"{shown} removed"
    if what == "renamed" and isinstance(parent, dict):
        parent[f"{last}x"] = parent.pop(last)
        return value, f"{shown} renamed"
    parent[last] = [parent[last]] if what == "wrapped" else new
    return value, f"{shown} is {str(parent[last])[:40]!r}"


def _parameters(path: Path, rng: random.Random, canary: Path) -> str:
    with torch.serialization.safe_globals([*_globals()]):
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    tensors = state["model"] if isinstance(state.get("model"), dict) else state
    name = rng.choice([name for name in tensors if isinstance(tensors[name], torch.Tensor)])
    other: dict[str, Callable[[], Any]] = {
        "another shape": lambda: torch.zeros(3, 5, 7), "no tensor": lambda: [1, 2], "not a number":
            lambda: torch.full_like(tensors[name], float("nan"), dtype=torch.float32), "integers":
            lambda: tensors[name].to(torch.int64), "complex": lambda: tensors[name].to(torch.complex64), "code":
            lambda: Mark(canary)}
    how = rng.choice([*other, "removed", "one more", "a list", "pickled code alone", "a pickle of numbers",
                      *([f"no {key}" for key in state] if tensors is not state else [])])
    if how in other:
        tensors[name] = other[how]()
    elif how == "removed":
        del tensors[name]
    elif how == "one more":
        tensors[f"{name}.more"] = torch.zeros(1)
    elif how == "a list":
        state = [1]
    elif how.startswith("no "):
        del state[how[3:]]
    buffer = io.BytesIO()
    if how == "pickled code alone":
        pickle.dump(Mark(canary), buffer)
    elif how == "a pickle of numbers":
        pickle.dump({name: [1.0]}, buffer)
    else:
        torch.save(state, buffer)
    write(path, buffer.getvalue())
    return f"{name}: {how}"


def _globals() -> list[Any]:
    from stxfer.model.safe_reads import _harmless

    return _harmless()


def argv(arguments: list[str], rng: random.Random) -> tuple[list[str], str]:
    """Return options of a command line, one of them changed, and what was done."""
    arguments = list(arguments)
    options = [i for i, word in enumerate(arguments) if word.startswith("--")]
    values = [i for i, word in enumerate(arguments) if not word.startswith("--")]
    how = rng.choice(["another value", "another value", "another value", "an option less", "a value less", "twice",
                      "an option more", "a name cut short"])
    if how == "another value" and values:
        at, word = rng.choice(values), rng.choice(WORDS)
        how = f"{arguments[at - 1]} {word[:20]!r}"
        arguments[at] = word
    elif how == "an option less" and options:
        at = rng.choice(options)
        how = f"no {arguments[at]}"
        del arguments[at:at + 2]
    elif how == "a value less" and values:
        del arguments[rng.choice(values)]
    elif how == "twice" and options:
        at = rng.choice(options)
        arguments += arguments[at:at + 2]
    elif how == "an option more":
        extra = rng.choice(["--seeds", "--systems", "--nj", "--force", "--nonsense", "-x", "--allow-stale", "--kind"])
        arguments += [extra, *([rng.choice(WORDS)] if rng.random() < 0.8 else [])]
        how = " ".join(arguments[-2:])[:40]
    elif options:
        at = rng.choice(options)
        arguments[at] = arguments[at][:-1]
    return [word.replace("\0", "") for word in arguments], how
