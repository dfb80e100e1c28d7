"""Beam search batched over utterances and hypotheses, for attention decoders and CTC."""

from stxfer.decoding.search.beam import Hypothesis, beam_search

__all__ = ["Hypothesis", "beam_search"]
