"""Decode a set of features with a trained model."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stxfer.audio.ark import read_matrix, read_places
from stxfer.core.errors import ConfigError, DataError, first_line
from stxfer.core.fileio import write_json
from stxfer.core.progress import Progress
from stxfer.decoding.memory import batch_frames, fitted, mixed_precision
from stxfer.experiment.layout import DECODED, FRAMES
from stxfer.experiment.training import Decoding
from stxfer.kaldi.table import read_table, write_table
from stxfer.text.repetition import loop

if TYPE_CHECKING:
    import sentencepiece as spm
    from torch import Tensor

    from stxfer.decoding.search import Hypothesis

BLANK = 0
UNKNOWN = "<unk>"  # stands for what the vocabulary cannot write
LOOPS = "loops"  # table of the hypotheses that repeat themselves or that the length limit ended
OUTPUTS = ("text", "token", "logprob", LOOPS)
log = logging.getLogger(__name__)


def decode_dataset(model: Any, tokens: Sequence[str], tokenizer: spm.SentencePieceProcessor, feats_scp: Path, out: Path,
                   options: Decoding, *, name: str = "decode", tag: str = "", lm: Any = None) -> dict[str, Any]:
    """Decode every utterance of a feature table.

    Utterances of like length are searched together, about ``options.batch_frames`` feature frames at a
    time; each is encoded alone, so that its hypothesis does not depend on its batch.

    Args:
        model: an ``ESPnetASRModel`` in eval mode.
        tokens: the model's vocabulary; id 0 is CTC's blank.
        tokenizer: joins pieces to text.
        feats_scp: Kaldi table of features (T, F); ``utt2num_frames`` lies beside it.
        out: directory for the Kaldi tables ``text`` (words), ``token`` (pieces), ``logprob`` (weighted) and ``loops``
            (what a hypothesis repeats, see :func:`stxfer.text.repetition.loop`, or that the length limit ended it), and
            ``decode.json``.
        options: of the search. Without a CTC head ``ctc_weight`` is 0.
        name: what progress lines call it.
        tag: what the model's texts begin with, ``<sw>``; it is given, not searched, and not written.
        lm: the language model that ``options.lm`` names, an ``AbsLM`` in eval mode.

    Returns:
        The content of ``decode.json``: ``utterances``, ``empty``, ``loops``, ``unknown`` (hypotheses with ``<unk>``,
        which is left out of the text) and options; nothing that differs from run to run.

    Raises:
        DataError: a table or features are absent, broken or do not fit the model.
        ConfigError: the options do not fit the model.
    """
    paths = read_places(feats_scp)
    frames = frame_counts(feats_scp, list(paths))
    prefix = prefix_ids(tokens, tokenizer, tag)
    started = time.monotonic()
    progress = Progress(name, len(paths))
    found: dict[str, tuple[list[str], float]] = {}
    limited: dict[str, str] = {}
    where = next(model.parameters()).device

    def work(batch: list[str]) -> list[Decoded]:
        features = {utt: load_features(utt, paths[utt], feats_scp) for utt in batch}
        return decode_batch(model, features, options, prefix, lm)

    for batch, results in fitted(batches(frames, batch_frames(options.batch_frames, where)), work):
        for utt, best in zip(batch, results, strict=True):
            found[utt] = ([tokens[i] for i in best.tokens], best.score)
            if best.cut:
                limited[utt] = f"length limit: {len(best.tokens)} tokens"
        progress.add(len(batch))
    text = {utt: written(tokenizer, pieces) for utt, (pieces, _) in found.items()}
    unknown = sum(UNKNOWN in pieces for pieces, _ in found.values())
    if unknown:
        log.warning("%s: %d of %d hypotheses hold %s, which is no word and is left out of the text", name, unknown,
                    len(text), UNKNOWN)
    return write_hypotheses(out, text, found, limited, name=name, seconds=time.monotonic() - started,
                            options=asdict(options), unknown=unknown)


def write_hypotheses(out: Path, text: Mapping[str, str], found: Mapping[str, tuple[Sequence[str], float]],
                     limited: Mapping[str, str], *, name: str, seconds: float, options: Mapping[str, Any],
                     **counts: int) -> dict[str, Any]:
    """Write the tables of a decoded set and ``decode.json``; return the content of that.

    Args:
        out: directory.
        text: what was heard, in words.
        found: tokens and score of each utterance.
        limited: the utterances whose hypotheses the length limit ended, and how long they are.
        name: what messages call the set.
        seconds: that it took.
        options: of the search.
        counts: further entries of ``decode.json``.
    """
    loops = {**limited, **{utt: repeated for utt, words in text.items() if (repeated := loop(words))}}
    empty = sum(not words for words in text.values())
    if empty:
        log.warning("%s: %d of %d hypotheses are empty", name, empty, len(text))
    if loops:
        log.warning("%s: %d of %d hypotheses loop or reach the length limit (see %s), e.g. %s: %s", name, len(loops),
                    len(text), out / LOOPS, *min(loops.items()))
    write_table(out / "text", text)
    write_table(out / "token", {utt: " ".join(tokens) for utt, (tokens, _) in found.items()})
    write_table(out / "logprob", {utt: f"{score:.4f}" for utt, (_, score) in found.items()})
    write_table(out / LOOPS, loops)
    report = {"utterances": len(found), "empty": empty, "loops": len(loops), **counts, "options": dict(options)}
    write_json(out / DECODED, report)
    log.info("%s: %d utterances in %.2f s, %.1f a second", name, len(found), seconds, len(found) / max(seconds, 1e-3))
    return report


def prefix_ids(tokens: Sequence[str], tokenizer: spm.SentencePieceProcessor, tag: str) -> list[int]:
    """Return the ids of what every text of a model begins with, ``<sw>`` or nothing."""
    index = {token: i for i, token in enumerate(tokens)}
    return [index[piece] for piece in tokenizer.encode(tag, out_type=str)]


def written(tokenizer: spm.SentencePieceProcessor, pieces: Iterable[str]) -> str:
    """Return the words of a hypothesis's pieces; what the vocabulary cannot write is left out."""
    return " ".join(tokenizer.decode_pieces([piece for piece in pieces if piece != UNKNOWN]).split())


class Decoded(NamedTuple):
    """A hypothesis: token ids without blanks and prefix, its score, whether it was cut, what each token gained."""

    tokens: list[int]
    score: float
    cut: bool = False
    gains: tuple[float, ...] = ()


def decode_batch(model: Any, features: dict[str, Any], options: Decoding, prefix: Sequence[int] = (),
                 lm: Any = None) -> list[Decoded]:
    """Return the best hypothesis of each utterance.

    An utterance too short for the encoder, or for which the search finds nothing, has no tokens and
    the score 0.

    Args:
        model: an ``ESPnetASRModel`` in eval mode.
        features: utterance to float32 (T, F).
        options: of the search.
        prefix: ids that every hypothesis begins with.
        lm: the language model that ``options.lm`` names.
    """
    with mixed_precision(options.amp, next(model.parameters()).device):
        encoded = [encode(model, utt, values) for utt, values in features.items()]
        return search_encoded(model, encoded, options, prefix, lm)


def search_encoded(model: Any, encoded: Sequence[Tensor], options: Decoding, prefix: Sequence[int] = (),
                   lm: Any = None) -> list[Decoded]:
    """Return the best hypothesis of each utterance, given what :func:`encode` returned; see :func:`decode_batch`."""
    results = search_nbest(model, encoded, options, prefix, lm)
    return [Decoded([token for token in nbest[0].tokens[len(prefix):] if token != BLANK], nbest[0].score, nbest[0].cut)
            if nbest else Decoded([], 0.0)
            for nbest in results]


def search_nbest(model: Any, encoded: Sequence[Tensor], options: Decoding, prefix: Sequence[int] = (),
                 lm: Any = None, nbest: int = 1) -> list[list[Hypothesis]]:
    """Return the ``nbest`` best hypotheses of each utterance as the search has them, with blanks and prefix."""
    import torch

    from stxfer.decoding.search import beam_search

    ctc = getattr(model, "ctc", None)
    if model.decoder is None and ctc is None:
        raise ConfigError("the model has neither an attention decoder nor CTC; there is nothing to decode with")
    lens = torch.tensor([len(frames) for frames in encoded])
    padded = torch.nn.utils.rnn.pad_sequence(list(encoded), batch_first=True)
    return beam_search(padded, lens, model.decoder, ctc=ctc, sos=model.sos, eos=model.eos,
                       beam_size=options.beam_size, ctc_weight=ctc_weight(model, options),
                       length_bonus=options.length_bonus, maxlenratio=options.maxlenratio,
                       minlenratio=options.minlenratio, prefix=prefix, nbest=nbest,
                       lm=lm, lm_weight=options.lm_weight if options.lm else 0.0,
                       pre_beam_ratio=options.pre_beam_ratio)


def ctc_weight(model: Any, options: Decoding) -> float:
    """Return the weight of CTC's score: that of the options, but 0 without CTC and 1 without a decoder."""
    return 0.0 if getattr(model, "ctc", None) is None else 1.0 if model.decoder is None else options.ctc_weight


def batches(frames: dict[str, int], most: int) -> Iterator[list[str]]:
    """Yield lists of utterances, longest first, of at most ``most`` padded frames (or one utterance)."""
    batch: list[str] = []
    for utt in sorted(frames, key=lambda utt: (-frames[utt], utt)):
        if batch and frames[batch[0]] * (len(batch) + 1) > most:
            yield batch
            batch = []
        batch.append(utt)
    if batch:
        yield batch


def frame_counts(feats_scp: Path, utts: Sequence[str]) -> dict[str, int]:
    """Return the frames of utterances of a feature table, from ``utt2num_frames`` beside it.

    Raises:
        DataError: it is absent or malformed, or an utterance is not in it.
    """
    path = feats_scp.with_name(FRAMES)
    table = read_table(path, empty_values=False)
    try:
        return {utt: int(table[utt]) for utt in utts}
    except KeyError as error:
        raise DataError(f"{path}: utterance {error} of {feats_scp.name} is not in it; "
                        "run stage 'features' again") from None
    except ValueError as error:
        raise DataError(f"{path}: frames must be whole numbers ({error}); run stage 'features' again") from None


def load_features(utt: str, path: str, feats_scp: Path) -> Any:
    """Return the features of an utterance, float32 (T, F), that lie where :func:`stxfer.audio.ark.read_places` says.

    Raises:
        DataError: they cannot be read, or are not finite.
    """
    import numpy as np

    values = read_matrix(feats_scp, utt, path)
    if not np.isfinite(values).all():
        raise DataError(f"{feats_scp}: utterance {utt!r} is not a matrix of finite numbers; run stage 'features' again")
    return values


def encode(model: Any, utt: str, values: Any) -> Tensor:
    """Return the encoder's output for one utterance, (T', D); no frames if it is too short."""
    import torch

    from stxfer.model.espnet_layers import TooShortUttError

    parameter = next(model.parameters())
    speech = torch.tensor(values, dtype=parameter.dtype, device=parameter.device).unsqueeze(0)
    with torch.no_grad():
        try:
            encoded, lens = model.encode(speech, torch.tensor([speech.size(1)], device=speech.device))
        except TooShortUttError:
            log.warning("utterance %r: %d frames are too short for the encoder; its hypothesis is empty",
                        utt, speech.size(1))
            return speech.new_zeros(0, model.encoder.output_size())
        except RuntimeError as error:
            raise DataError(f"utterance {utt!r}: {speech.size(1)} x {speech.size(2)} features do not fit the model: "
                            f"{first_line(error)}") from None
    if isinstance(encoded, tuple):  # with the outputs of layers that have a CTC of their own
        encoded = encoded[0]
    output: Tensor = encoded[0, :int(lens[0])]
    return output
