"""stxfer: cross-lingual transfer for speech recognition through speech translation."""

__version__ = "0.1.0"
