"""espeak-ng through ctypes: text to samples, in memory, without root and without a download.

The library and its data come with the ``espeakng_loader`` wheel. The interface is the C header
``speak_lib.h`` of espeak-ng 1.52 (``espeak_Initialize``, ``espeak_SetVoiceByName``, ``espeak_Synth``).
"""

from __future__ import annotations

import _ctypes
import contextlib
import ctypes
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stxfer.core.errors import StxferError

SAMPLE_RATE = 22050
_OUTPUT_SYNCHRONOUS = 2  # retrieval mode, in which espeak_Synth returns when all samples were delivered
_DONT_EXIT = 0x8000  # report missing data instead of calling exit()
_CHARS_UTF8 = 1
_POSITION_CHARACTER = 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_lock = threading.Lock()  # the C library is one global state


class SynthesisError(StxferError):
    """espeak-ng cannot be loaded, does not know the voice, or fails to speak."""


@contextlib.contextmanager
def _short_path(path: str) -> Iterator[str]:
    """Give a long path a short name while it is used: espeak-ng's buffer for it holds 160 bytes."""
    if len(os.fsencode(path)) < 140:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "data"
        link.symlink_to(path)
        yield str(link)


@contextlib.contextmanager
def _library() -> Iterator[ctypes.CDLL]:
    """Load and start espeak-ng, and unload it at the end.

    Flutter, echo and noise keep running state from one call to the next, so that what a voice says
    depends on what was said before. A fresh copy (2 ms) makes an utterance depend on itself alone.
    """
    try:
        import espeakng_loader

        library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = str(espeakng_loader.get_data_path())
    except (ImportError, OSError) as error:
        raise SynthesisError(f"espeak-ng is not usable ({error}); run `pip install espeakng-loader`") from None
    library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    library.espeak_Synth.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int,
                                     ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p]
    library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
    library.espeak_SetParameter.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int]
    library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
    try:
        with _short_path(data) as path:
            rate = library.espeak_Initialize(_OUTPUT_SYNCHRONOUS, 0, os.fsencode(path), _DONT_EXIT)
            if rate != SAMPLE_RATE:
                raise SynthesisError(f"espeak-ng does not start with its data in {data} (sample rate {rate}); "
                                     "reinstall it: `pip install --force-reinstall espeakng-loader`")
            library.espeak_ng_SetRandSeed(1)  # it would take the time of day
            ctypes.CDLL(None).srand(1)  # the breath of some voices comes from the C library's rand
            yield library
            library.espeak_Terminate()
    finally:
        _ctypes.dlclose(library._handle)


def synthesise(text: str, voice: str, rate: int = 175, pitch: int = 50, pitch_range: int = 50) -> np.ndarray:
    """Speak ``text``; the same arguments always give the same samples.

    Args:
        text: one sentence.
        voice: language and variant in espeak's form, e.g. ``en-gb+f3``.
        rate: words a minute, 80 to 450.
        pitch: 0 to 100, relative to the variant's own.
        pitch_range: 0 (monotone) to 100.

    Returns:
        int16 samples at 22,050 Hz, with the silence that espeak puts at the end.

    Raises:
        SynthesisError: espeak-ng is not usable, does not know the voice's language, or spoke nothing.
    """
    chunks: list[np.ndarray] = []

    def collect(samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int | None) -> int:
        if samples and count > 0:  # the buffer is reused after the call: copy
            chunks.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
        return 0

    callback = _CALLBACK(collect)  # the library holds no reference of its own
    data = text.encode("utf-8")
    with _lock, _library() as library:
        library.espeak_SetSynthCallback(callback)
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise SynthesisError(f"espeak-ng has no voice {voice!r}; a voice is a language and a variant, as en-gb+f3")
        for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, pitch_range)):
            library.espeak_SetParameter(parameter, int(value), 0)
        status = library.espeak_Synth(data, len(data) + 1, 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None)
    if status != 0 or not chunks:
        raise SynthesisError(f"espeak-ng spoke nothing for {text!r} with voice {voice!r} (status {status})")
    return np.concatenate(chunks)
