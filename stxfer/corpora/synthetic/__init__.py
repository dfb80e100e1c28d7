"""English and Swahili from a grammar, spoken by espeak-ng: corpora that need no download."""

from stxfer.corpora.synthetic.corpus import prepare_synthetic

__all__ = ["prepare_synthetic"]
