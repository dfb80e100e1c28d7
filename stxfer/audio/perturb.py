"""Speed perturbation: Ko et al., "Audio augmentation for speech recognition" (Interspeech 2015)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from stxfer.kaldi.datadir import DataDir

COPY = re.compile(r"sp(\d+(?:\.\d+)?)-(.+)")


def perturb_speed(data: DataDir, speeds: Sequence[float]) -> DataDir:
    """Return a copy of every utterance for each speed, as utterance ``sp<speed>-<utt>`` of a speaker so prefixed.

    Speed 1 keeps its names. The audio itself is changed when features are made, as ``utt2speed`` says; copies
    of a segment are the same part of the same recording.
    """
    result = DataDir(data.path, dict(data.wav_scp) if data.segments else {}, {}, {},
                     texts={file: {} for file in data.texts}, channels=dict(data.channels) if data.segments else {})
    for speed in speeds:
        prefix = "" if speed == 1 else f"sp{speed:g}-"
        for utt in data.text:
            new = prefix + utt
            if data.segments:
                result.segments[new] = data.segments[utt]
            else:
                result.wav_scp[new] = data.wav_scp[utt]
                if utt in data.channels:
                    result.channels[new] = data.channels[utt]
            result.text[new], result.utt2spk[new] = data.text[utt], prefix + data.utt2spk[utt]
            if data.utt2dur:
                result.utt2dur[new] = data.utt2dur[utt] / speed
            result.utt2speed[new] = speed * data.utt2speed.get(utt, 1.0)
            for file, table in data.texts.items():
                result.texts[file][new] = table[utt]
    return result


def distinct_seconds(durations: Mapping[str, float]) -> float:
    """Return how long the speech of some utterances lasts, that of copies at other speeds counted once.

    Args:
        durations: seconds by utterance; names are those of :func:`perturb_speed`.
    """
    originals: dict[str, float] = {}
    for utt, seconds in durations.items():
        copy = COPY.fullmatch(utt)
        name, speed = (copy[2], float(copy[1])) if copy else (utt, 1.0)
        if copy is None or name not in originals:
            originals[name] = seconds * speed
    return sum(originals.values())
