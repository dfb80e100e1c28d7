"""Stage 11: the systems of an experiment decode their test sets. ``search`` holds the beam search."""
