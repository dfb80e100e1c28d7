"""Speakers: a voice variant, an accent, a pitch, a rate and a microphone each."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass

from stxfer.core.errors import ConfigError

# Variants whose spectra are those of speech: voiced, not clipped, no echo chamber, no whisper, no robot,
# and of an ordinary pace.
VARIANTS = (
    "Alex", "Alicia", "Andy", "Annie", "Denis", "Diogo", "Henrique", "Hugo", "Lee", "Mario", "Michael", "Mike",
    "Nguyen", "Reed", "adam", "aunty", "belinda", "benjamin", "boris", "david", "edward", "edward2", "f1", "f2",
    "f3", "f4", "f5", "grandma", "iven3", "iven4", "kaukovalta", "linda", "m1", "m2", "m3", "m4", "m5", "m6",
    "m7", "m8", "marcelo", "max", "michel", "miguel", "mike2", "norbert", "pablo", "rob", "robert", "sandro",
    "shelby", "steph", "travis", "victor")
# Accents as espeak's voices; a language without an entry has one.
ACCENTS = {"en": ("en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029",
                  "en-us-nyc")}
_TURNS = (0, -20, 20, -10, 10)  # pitch of the second, third ... speaker of a variant


@dataclass(frozen=True)
class Speaker:
    """One synthetic speaker.

    Attributes:
        id: unique within a language, sortable: ``en007m3``.
        voice: espeak's voice with its variant, ``en-us+m3``.
        rate: factor on the corpus's words a minute.
        pitch: espeak's pitch, 0 to 100.
        pitch_range: espeak's range, 0 to 100.
        level: root mean square of the speech, dB of full scale.
        tilt: coefficient of a one-pole filter, the colour of the channel (positive: bright).
    """

    id: str
    voice: str
    rate: float
    pitch: int
    pitch_range: int
    level: float
    tilt: float

    @property
    def variant(self) -> str:
        """The voice's variant, espeak-ng's ``+m3``, without its sign."""
        return self.voice.partition("+")[2]


def speakers(lang: str, n: int, seed: int, exclude: Collection[str] = frozenset(), *, first: int = 1) -> list[Speaker]:
    """Make ``n`` speakers, the same for the same arguments.

    Args:
        lang: language code of espeak.
        n: how many; above the number of variants, a variant serves several, of different pitch, rate and accent.
        seed: of the choice.
        exclude: variants that none may have.
        first: number of the first, in the ids.

    Raises:
        ConfigError: no variant is left.
    """
    pool = [variant for variant in VARIANTS if variant not in exclude]
    if not pool:
        raise ConfigError(f"no voice is left for {n} speakers of {lang!r}: {len(VARIANTS)} variants, all excluded")
    choose = random.Random(f"speakers {lang} {seed} {first}")
    choose.shuffle(pool)
    accents = ACCENTS.get(lang, (lang,))
    made = []
    for k in range(n):
        variant, turn = pool[k % len(pool)], k // len(pool)
        made.append(Speaker(
            id=f"{lang}{first + k:03d}{variant.lower()}", voice=f"{accents[choose.randrange(len(accents))]}+{variant}",
            rate=choose.uniform(0.88, 1.14), pitch=choose.randint(35, 65) + _TURNS[turn % len(_TURNS)],
            pitch_range=choose.randint(35, 65), level=choose.uniform(-29, -20), tilt=choose.uniform(-0.25, 0.25)))
    return made


def split_speakers(lang: str, train: int, dev: int, test: int, seed: int) -> dict[str, list[Speaker]]:
    """Make the speakers of train, dev and test; no two of these share a variant, in any language.

    Raises:
        ConfigError: dev and test leave no variant for training.
    """
    held = list(VARIANTS)
    random.Random(f"held-out variants {seed}").shuffle(held)
    if dev + test >= len(held):
        raise ConfigError(f"{test} test and {dev} dev speakers leave no voice for training; there are {len(held)}")
    of_test, of_dev, of_train = set(held[:test]), set(held[test:test + dev]), set(held[test + dev:])
    return {"train": speakers(lang, train, seed, of_test | of_dev),
            "dev": speakers(lang, dev, seed, of_test | of_train, first=train + 1),
            "test": speakers(lang, test, seed, of_dev | of_train, first=train + dev + 1)}
