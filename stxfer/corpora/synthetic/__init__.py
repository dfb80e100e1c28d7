"""English and Swahili from a grammar, spoken by espeak-ng: corpora that need no download."""

from stxfer.corpora.synthetic.corpus import Options, prepare_synthetic

__all__ = ["Options", "prepare_synthetic"]
