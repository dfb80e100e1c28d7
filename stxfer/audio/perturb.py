"""Speed perturbation: Ko et al., "Audio augmentation for speech recognition" (Interspeech 2015)."""

from __future__ import annotations

from collections.abc import Sequence

from stxfer.kaldi.datadir import DataDir


def perturb_speed(data: DataDir, speeds: Sequence[float]) -> DataDir:
    """Return a copy of every utterance for each speed, as utterance ``sp<speed>-<utt>`` of a speaker so prefixed.

    Speed 1 keeps its names. The audio itself is changed when features are made, as ``utt2speed`` says.
    """
    result = DataDir(data.path, {}, {}, {}, texts={file: {} for file in data.texts})
    for speed in speeds:
        prefix = "" if speed == 1 else f"sp{speed:g}-"
        for utt in data.wav_scp:
            new = prefix + utt
            result.wav_scp[new], result.text[new] = data.wav_scp[utt], data.text[utt]
            result.utt2spk[new], result.utt2dur[new] = prefix + data.utt2spk[utt], data.utt2dur[utt] / speed
            result.utt2speed[new] = speed * data.utt2speed.get(utt, 1.0)
            for file, table in data.texts.items():
                result.texts[file][new] = table[utt]
    return result
