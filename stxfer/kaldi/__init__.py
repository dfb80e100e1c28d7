"""Kaldi tables and data directories."""
