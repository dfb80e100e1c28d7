"""Decoding: the batched beam search, a data set, all systems of an experiment."""
