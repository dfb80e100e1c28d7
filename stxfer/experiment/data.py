"""What of a corpus stage 1 makes or takes, as an experiment file's ``data`` key says."""

from __future__ import annotations

from pydantic import Field, model_validator
from typing_extensions import Self

from stxfer.core.mistakes import wrong
from stxfer.core.options import Options, option_fields, options
from stxfer.experiment.types import Count, Flag, Positive, SetName


@options
class SyntheticOptions(Options):
    """How much of the synthetic English-Swahili corpora to make.

    The rates bring both languages to 12 or 13 characters a second: espeak-ng's English is half as fast again
    as its Swahili, and a source model used to that would start the transfer at a disadvantage.
    """

    src_train: Count = 1200
    """English utterances of src_train."""
    src_dev: Count = 100
    """English utterances of src_dev."""
    src_test: Count = 200
    """English utterances of src_test."""
    tgt_train: Count = 1000
    """Swahili utterances of tgt_train."""
    tgt_dev: Count = 100
    """Swahili utterances of tgt_dev."""
    tgt_test: Count = 300
    """Swahili utterances of tgt_test."""
    bitext_train: Count = 7000
    """Sentence pairs of the bitext's train."""
    bitext_dev: Count = 300
    """Sentence pairs of the bitext's dev."""
    bitext_test: Count = 300
    """Sentence pairs of the bitext's test."""
    source_speakers: Count = 45
    """Speakers of src_train."""
    target_speakers: Count = 40
    """Speakers of tgt_train."""
    dev_speakers: Count = 5
    """Speakers of each dev set."""
    test_speakers: Count = 5
    """Speakers of each test set."""
    source_rate: Count = 115
    """English words a minute, as espeak-ng counts them."""
    target_rate: Count = 160
    """Swahili words a minute."""
    seed: Count = 1
    """Of sentences and voices."""


@options
class SpokenBitextOptions(Options):
    """Which sentences of a bitext are spoken, how many, by whom."""

    train_sentences: Count = 5000
    """Spoken sentences of train, at most."""
    dev_sentences: Count = 150
    """Spoken sentences of dev, at most."""
    test_sentences: Count = 150
    """Spoken sentences of test, at most."""
    min_words: Count = 4
    """Words of a spoken sentence's source side, at least."""
    max_words: Count = 14
    """Words of a spoken sentence's source side, at most."""
    max_chars: Count = 90
    """Characters of either side, at most."""
    rate: Count = 120
    """Words a minute of an average speaker, as espeak-ng counts them."""
    speakers: Count = 45
    """Speakers of src_train."""
    dev_speakers: Count = 5
    """Speakers of src_dev."""
    test_speakers: Count = 5
    """Speakers of src_test."""
    seed: Count = 1
    """Of the choice of sentences and voices."""
    keep: Flag = False
    """Leave the spoken pairs of train for MT, too."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.min_words > self.max_words:
            raise wrong(f"{self.min_words} is above max_words {self.max_words}", key="min_words")
        return self


@options
class DataOptions(SyntheticOptions):
    """The key ``data``: what the recipe's stage 1 reads of it, sizes of a synthetic corpus or parts of a real one."""

    hours: dict[SetName, Positive] = Field(default_factory=dict)
    """Hours to take of each set of a large corpus, at most; all of a set that is not named."""
    speak_bitext: SpokenBitextOptions = SpokenBitextOptions()
    """Source speech from parallel text."""

    @property
    def synthetic(self) -> SyntheticOptions:
        """The sizes of a synthetic corpus alone."""
        return SyntheticOptions(**{name: getattr(self, name) for name in option_fields(SyntheticOptions)})
