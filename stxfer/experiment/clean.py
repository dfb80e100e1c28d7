"""Which sentence pairs MT does not learn from, as an experiment file's ``mt.clean`` says."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator
from typing_extensions import Self

from stxfer.core.mistakes import wrong
from stxfer.core.options import Options, options
from stxfer.experiment.types import Amount, Flag, Whole


@options
class CleanOptions(Options):
    """What is dropped beside pairs with an empty side; 0 or false switches a rule off."""

    max_words: Whole = 100
    """``long``: a side has more words."""
    max_chars: Whole = 1000
    """``long``: a side has more characters."""
    max_ratio: Amount = 3.0
    """``ratio``: a side of over 8 words has more than this times the other's words. Of a language written without
    spaces, words are told by the number of characters, see :func:`stxfer.text.words.count_words`."""
    duplicates: Flag = True
    """``duplicate``: the pair was there before."""
    identical: Flag = True
    """``identical``: both sides are the same."""
    scripts: Flag = True
    """``script``: most letters of a side are of scripts in which the side's dev and test text is not."""
    control: Flag = True
    """``control``: control characters, or what stands for undecodable ones."""
    addresses: Flag = True
    """``address``: a side is nothing but a link or a mail address."""
    square: Literal["events", "all"] = "events"
    """What becomes of words in square brackets, where the language's rules remove all of them, as transcripts want it:
    in written text they are an editor's, ``he [the president] said``, and only known events are removed."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if 0 < self.max_ratio < 1:
            raise wrong(f"{self.max_ratio} must be at least 1, or 0 for none", key="max_ratio")
        return self
