"""Decode a set with a fine-tuned Whisper, its own decoder and its own search."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stxfer.audio.io import SAMPLE_RATE
from stxfer.audio.parts import quiet_parts
from stxfer.audio.shards import Reader
from stxfer.core.progress import Progress
from stxfer.decoding.decode import Decoded, write_hypotheses
from stxfer.experiment.training import Decoding
from stxfer.kaldi.datadir import read_datadir
from stxfer.model.whisper import WhisperModel
from stxfer.text.normalise import normalise
from stxfer.text.profiles import Profile

log = logging.getLogger(__name__)


def decode_with_whisper(whisper: WhisperModel, data: Path, out: Path, options: Decoding, profile: Profile, batch: int,
                        *, name: str = "decode") -> dict[str, Any]:
    """Decode every utterance of a prepared data directory.

    An utterance longer than Whisper's window is cut where it is quietest, and the texts of its parts are joined.

    Args:
        whisper: see :func:`stxfer.model.whisper.open_whisper`.
        data: the directory.
        out: directory for the tables and ``decode.json`` that :func:`stxfer.decoding.decode.decode_dataset` writes;
            texts are normalised, ``token`` holds the numbers of Whisper's tokens.
        options: of which ``beam_size`` counts; see :mod:`stxfer.experiment.variants` for those that do not fit.
        profile: how the references were normalised.
        batch: parts that are decoded together.
        name: what progress lines call it.

    Returns:
        The content of ``decode.json``, with ``cut``: utterances that were cut.

    Raises:
        DataError: audio cannot be read.
    """
    source = read_datadir(data)
    started = time.monotonic()
    progress = Progress(name, len(source))
    reader = Reader()
    parts: list[tuple[str, np.ndarray]] = []
    found: dict[str, list[Decoded]] = {utt: [] for utt in source}
    cut = 0
    for number, utt in enumerate(source, 1):
        own = quiet_parts(reader.read(source.audio(utt)), whisper.window)
        cut += len(own) > 1
        parts += [(utt, part) for part in own]
        while len(parts) >= batch or (number == len(source) and parts):
            now, parts = parts[:batch], parts[batch:]
            for (of, _), result in zip(now, search_whisper(whisper, [part for _, part in now], options.beam_size),
                                       strict=True):
                found[of].append(result)
        progress.add()
    reader.close()
    if cut:
        log.info("%s: %d of %d utterances are longer than %g s and were cut in pauses", name, cut, len(found),
                 whisper.window / SAMPLE_RATE)
    text = {utt: normalise(" ".join(whisper.text(part.tokens) for part in heard), profile)
            for utt, heard in found.items()}
    tokens = {utt: [str(token) for part in heard for token in part.tokens] for utt, heard in found.items()}
    return write_hypotheses(
        out, text, {utt: (tokens[utt], sum(part.score for part in heard)) for utt, heard in found.items()},
        {utt: f"length limit: {len(tokens[utt])} tokens" for utt, heard in found.items()
         if any(part.cut for part in heard)},
        name=name, seconds=time.monotonic() - started, options={"beam_size": options.beam_size}, unknown=0, cut=cut)


@torch.inference_mode()
def search_whisper(whisper: WhisperModel, parts: Sequence[np.ndarray], beam_size: int) -> list[Decoded]:
    """Return what is written of each part, without prompt and end.

    The score is its log probability, the sum of its tokens' gains and of that of the end.

    Args:
        whisper: the model.
        parts: samples that fit its window, float32 (n,) each.
        beam_size: of transformers' search.
    """
    from transformers.modeling_outputs import BaseModelOutput

    network, end = whisper.network, whisper.tokenizer.eos_token_id
    where = next(network.parameters()).device
    encoded = network.get_encoder()(whisper.energies(parts).to(where)).last_hidden_state
    prompt = torch.tensor([whisper.prompt] * len(parts), device=where)
    most = whisper.most_tokens - prompt.size(1)
    # A copy for the search, which puts a row for each hypothesis into what it is given.
    rows = network.generate(encoder_outputs=BaseModelOutput(encoded), decoder_input_ids=prompt, num_beams=beam_size,
                            do_sample=False, max_new_tokens=most)
    written = [list(itertools.takewhile(lambda token: token != end, row)) for row in rows.tolist()]
    ended = [tokens + [end] * (len(tokens) < most) for tokens in written]
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor([*whisper.prompt, *tokens]) for tokens in ended],
                                          batch_first=True, padding_value=end).to(where)
    logits = network(encoder_outputs=BaseModelOutput(encoded), decoder_input_ids=ids[:, :-1]).logits
    scores = logits.log_softmax(2).gather(2, ids[:, 1:, None]).squeeze(2)
    first = prompt.size(1) - 1
    return [Decoded(tokens, float(row[first:first + len(those)].sum()), cut=len(tokens) == most,
                    gains=tuple(row[first:first + len(tokens)].tolist()))
            for tokens, those, row in zip(written, ended, scores, strict=True)]
