"""What a model listens to for each token of a hypothesis: attention of its decoder and posteriors of CTC, by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stxfer.decoding.decode import BLANK, encode

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Maps:
    """How far each token has to do with each frame of the encoder's output, between 0 and 1.

    Attributes:
        attention: what the decoder's last layer attends to when it writes a token, the mean of its heads, (U, T'); None
            where it has no layers of attention of that kind.
        ctc: posteriors of the tokens and, in the last row, of the blank, (U + 1, T'); None without CTC.
    """

    attention: NDArray[np.float32] | None
    ctc: NDArray[np.float32] | None


def token_maps(model: Any, utt: str, features: NDArray[np.float32], tokens: Sequence[int]) -> Maps:
    """Return the maps of a hypothesis.

    Args:
        model: an ``ESPnetASRModel`` in eval mode.
        utt: the utterance, for messages.
        features: (T, F).
        tokens: ids of the hypothesis, U of them, the prefix included.

    Raises:
        DataError: the features do not fit the model.
    """
    encoded = encode(model, utt, features)
    if not len(encoded) or not tokens:
        return Maps(None, None)
    return Maps(_attention(model, encoded, tokens), _posteriors(model, encoded, tokens))


def _posteriors(model: Any, encoded: Tensor, tokens: Sequence[int]) -> NDArray[np.float32] | None:
    ctc = getattr(model, "ctc", None)
    if ctc is None:
        return None
    posteriors = ctc.softmax(encoded.unsqueeze(0))[0]
    found: NDArray[np.float32] = posteriors[:, [*tokens, BLANK]].T.float().cpu().numpy()
    return found


def _attention(model: Any, encoded: Tensor, tokens: Sequence[int]) -> NDArray[np.float32] | None:
    import torch

    layers = getattr(model.decoder, "decoders", None)
    attention = getattr(layers[-1], "src_attn", None) if layers else None
    if attention is None:
        return None
    written = torch.tensor([[model.sos, *tokens[:-1]]], device=encoded.device)
    seen: list[Tensor] = []

    def keep(module: Any, given: Any, made: Any) -> None:
        seen.append(module.attn)

    handle = attention.register_forward_hook(keep)
    try:
        with torch.no_grad():
            model.decoder(encoded.unsqueeze(0), torch.tensor([len(encoded)], device=encoded.device), written,
                          torch.tensor([written.size(1)], device=encoded.device))
    finally:
        handle.remove()
    if not seen or seen[-1] is None:
        return None
    found: NDArray[np.float32] = seen[-1][0].mean(dim=0).float().cpu().numpy()
    return found
