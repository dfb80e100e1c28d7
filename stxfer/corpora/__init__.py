"""Corpora: a module each, which writes Kaldi data directories."""
