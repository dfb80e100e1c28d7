"""Sentence pairs: readers of the usual formats, cleaning, and the recipe's bitext directory."""
