"""SentencePiece vocabularies: one for source ASR, one for ST and target ASR."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import sentencepiece as spm

from stxfer.core.errors import DataError
from stxfer.core.fileio import atomic_write, sha256

MODEL, TOKENS = "bpe.model", "tokens.txt"


def train_vocab(sentences: Iterable[str], size: int, kind: str, out: Path, tags: Sequence[str] = ()) -> int:
    """Learn a vocabulary and write ``bpe.model`` and ``tokens.txt`` (ESPnet's token list) into ``out``.

    Args:
        sentences: normalised text.
        size: pieces wanted; a text too small for as many gets as many as it allows.
        kind: ``unigram``, ``bpe`` or ``char``.
        out: an existing directory.
        tags: pieces that stand for themselves wherever they are written, ``<sw>``.

    Returns:
        The number of tokens, ESPnet's ``<blank>``, ``<unk>`` and ``<sos/eos>`` included.

    Raises:
        DataError: no text, or SentencePiece refuses it.
    """
    lines = [line for line in sentences if line]
    if not lines:
        raise DataError(f"{out}: no text to learn a vocabulary from")
    model = io.BytesIO()
    try:
        spm.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=model, vocab_size=size, model_type=kind,
            character_coverage=1.0, normalization_rule_name="identity", hard_vocab_limit=False,
            user_defined_symbols=list(tags), bos_id=-1, eos_id=-1, unk_id=0, num_threads=1, minloglevel=2,
            shuffle_input_sentence=False)
    except RuntimeError as error:
        raise DataError(f"{out}: SentencePiece: {str(error).strip().splitlines()[-1]}") from None
    processor = spm.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    tokens = ["<blank>", "<unk>", *(piece for piece in pieces if piece != "<unk>"), "<sos/eos>"]
    with atomic_write(out / MODEL, "wb") as handle:
        handle.write(model.getvalue())
    with atomic_write(out / TOKENS) as handle:
        handle.writelines(f"{token}\n" for token in tokens)
    return len(tokens)


def fingerprint(directory: Path) -> str:
    """Return what identifies a vocabulary: a digest of its token list and its SentencePiece model.

    Raises:
        DataError: the directory holds no vocabulary.
    """
    for name in (MODEL, TOKENS):
        if not (directory / name).exists():
            raise DataError(f"{directory / name}: no such file; make the vocabularies first (stage 'vocab')")
    return f"{sha256(directory / TOKENS)[:16]}-{sha256(directory / MODEL)[:16]}"
