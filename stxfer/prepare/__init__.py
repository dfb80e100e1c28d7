"""Stage 2 and the vocabularies: normalised text, checked audio, subsets, no test sentence in training text."""
