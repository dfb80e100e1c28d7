"""Beam search batched over utterances and hypotheses for ESPnet's encoder-decoder models."""

from stxfer.decoding.search.beam import Hypothesis, beam_search

__all__ = ["Hypothesis", "beam_search"]
