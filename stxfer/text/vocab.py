"""SentencePiece vocabularies: one for source ASR, one for ST and target ASR."""

from __future__ import annotations

import io
import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import sentencepiece as spm

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write, read_text

MODEL, TOKENS = "bpe.model", "tokens.txt"
_RESERVED = "\u2581\u2585"  # SentencePiece's sign for a space, and for what it has no piece for: it skips such lines
_LONGEST = 4192  # bytes of a sentence that SentencePiece does not skip unless told otherwise
_SHOWN = 8  # characters that a message names
log = logging.getLogger(__name__)


def train_vocab(sentences: Iterable[str], size: int, kind: str, out: Path, tags: Sequence[str] = ()) -> int:
    """Learn a vocabulary and write ``bpe.model`` and ``tokens.txt`` (ESPnet's token list) into ``out``.

    Args:
        sentences: normalised text.
        size: pieces wanted; a text too small for as many gets as many as it allows. There must be one for each
            character.
        kind: ``unigram``, ``bpe`` or ``char``.
        out: an existing directory.
        tags: pieces that stand for themselves wherever they are written, ``<sw>``.

    Returns:
        The number of tokens, ESPnet's ``<blank>``, ``<unk>`` and ``<sos/eos>`` included.

    Raises:
        DataError: no text, a character of it that has no piece, or SentencePiece refuses it.
    """
    lines = [line for line in sentences if line]
    if not lines:
        raise DataError(f"{out}: no text to learn a vocabulary from")
    characters: Counter[str] = Counter()
    for line in lines:
        characters.update(line)
    del characters[" "]
    if odd := {char: n for char, n in characters.items() if char in _RESERVED or unicodedata.category(char) == "Cc"}:
        raise DataError(f"{out}: a vocabulary cannot hold {describe(odd)}; take them out of the text")
    needed = len(characters) + 2 + len(tags)  # a space's piece and <unk>
    if size < needed:
        lost = dict(characters.most_common()[max(0, size - 2 - len(tags)):])
        raise DataError(f"{out}: {size} pieces are too few for {len(characters)} characters: "
                        f"{describe(lost)} would be <unk>; set the vocabulary's size to {needed} or more, or take the "
                        "characters out with 'normalise'")
    longest = max(len(line.encode()) for line in lines)
    model = io.BytesIO()
    try:
        spm.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=model, vocab_size=size, model_type=kind,
            character_coverage=1.0, normalization_rule_name="identity", hard_vocab_limit=False,
            user_defined_symbols=list(tags), bos_id=-1, eos_id=-1, unk_id=0, num_threads=1, minloglevel=2,
            shuffle_input_sentence=False,
            **({"max_sentence_length": longest + 1} if longest > _LONGEST else {}))
    except RuntimeError as error:
        reason = re.sub(r"^.*\] ", "", str(error).strip().splitlines()[-1])  # without its place in C++
        raise DataError(f"{out}: {size} {kind} pieces cannot be learnt from {len(lines)} sentences of "
                        f"{len(characters)} different characters (SentencePiece: {reason}); set another size or type, "
                        "or give more text") from None
    processor = spm.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    known = set(pieces)
    if lost := {char: n for char, n in characters.items() if char not in known}:
        raise DataError(f"{out}: no piece was learnt for {describe(lost)}; set a larger size or take them out of the "
                        "text")
    if len(pieces) < size:
        log.info("%s: %d pieces, as many as its text allows of the %d asked for", out, len(pieces), size)
    tokens = ["<blank>", "<unk>", *(piece for piece in pieces if piece != "<unk>"), "<sos/eos>"]
    with atomic_write(out / MODEL, "wb") as handle:
        handle.write(model.getvalue())
    with atomic_write(out / TOKENS) as handle:
        handle.writelines(f"{token}\n" for token in tokens)
    return len(tokens)


def open_pieces(path: Path) -> spm.SentencePieceProcessor:
    """Open a SentencePiece model.

    Raises:
        DataError: it is absent, or no SentencePiece model.
    """
    try:
        return spm.SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path}: {'not a SentencePiece model' if path.exists() else 'no such file'} "
                        f"({' '.join(str(error).split())[:100]})") from None


def describe(characters: Mapping[str, int]) -> str:
    """Return characters with their names and counts, the commonest first: ``ε GREEK SMALL LETTER EPSILON (5)``."""
    ranked = sorted(characters.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{char if char.isprintable() else f'U+{ord(char):04X}'} "
                      f"{unicodedata.name(char, 'without a name')} ({n})" for char, n in ranked[:_SHOWN])
    return shown + (f" and {len(ranked) - _SHOWN} more" if len(ranked) > _SHOWN else "")


def unknown_characters(sentences: Iterable[str], directory: Path) -> Counter[str]:
    """Return the characters of a text for which a vocabulary has no piece, with their counts."""
    known = set(read_text(directory / TOKENS).split("\n")) | {" "}
    found: Counter[str] = Counter()
    for sentence in sentences:
        found.update(char for char in sentence if char not in known)
    return found
