"""Hypotheses that another system may learn from."""

from __future__ import annotations

from pathlib import Path

from stxfer.core.errors import DataError
from stxfer.decoding.decode import LOOPS
from stxfer.kaldi.table import read_table


def confident(decoded: Path, share: float) -> dict[str, str]:
    """Return the hypotheses of a decoded set with the highest log-probability a token, the sentence's end included.

    Empty ones and those that loop are left out before: they would be learnt.

    Args:
        decoded: a directory that :func:`stxfer.decoding.decode.decode_dataset` has written.
        share: of the others, how many; 1: all.

    Raises:
        DataError: nothing is left.
    """
    texts, tokens, loops = (read_table(decoded / name) for name in ("text", "token", LOOPS))
    scores = {utt: float(score) / (len(tokens[utt].split()) + 1)
              for utt, score in read_table(decoded / "logprob").items() if texts[utt] and utt not in loops}
    ranked = sorted(scores, key=lambda utt: (-scores[utt], utt))
    chosen = ranked[:max(1, round(share * len(ranked)))]
    if not chosen:
        raise DataError(f"{decoded}: all {len(texts)} hypotheses are empty or loop; train the system that wrote them "
                        "for longer before another one learns from it")
    return {utt: texts[utt] for utt in sorted(chosen)}
