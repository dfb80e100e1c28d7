"""Text: normalisation and what is particular to a language."""
