"""What an audio file's container promises, where libsndfile does not say: it shortens broken files silently.

WAV: Microsoft's "Multiple channel audio data and WAVE files", RF64: EBU Tech 3306; Ogg pages: RFC 3533;
MPEG frame headers: ISO/IEC 11172-3 and 13818-3.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

# Sizes that programs write into the header of a stream whose end they do not know yet (ffmpeg the last, sox the first).
_STREAMING = range(0x7FFFF000, 0x100000000)
_HEADER = 64  # some writers count (part of) their header among the samples' bytes
_OGG_PAGE = 65307  # the longest
_BITRATES = {  # kbit/s by index, layer III
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),  # MPEG 1
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)}  # MPEG 2 and 2.5
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by version bits


def cut_short(handle: BinaryIO) -> str | None:
    """Say what shows that a WAV or Ogg file ends before its time; None where nothing does.

    Args:
        handle: the file, opened without a buffer; its position is not changed.
    """
    if os.pread(handle.fileno(), 4, 0) == b"OggS":
        return "it ends within a page" if _last_page(handle.fileno()) is None else None
    return _wav_cut_short(handle.fileno())


def unterminated(handle: BinaryIO) -> bool:
    """Tell whether an Ogg file lacks the page that ends its stream."""
    if os.pread(handle.fileno(), 4, 0) != b"OggS":
        return False
    page = _last_page(handle.fileno())
    return page is not None and not page & 4


def unfinished_wav(handle: BinaryIO) -> int | None:
    """Return where a WAV file's header says that there are no samples although some follow (a recorder was killed)."""
    if (found := _wav_data(handle.fileno())) is None:
        return None
    position, length, _ = found
    return position + 4 if not length and os.fstat(handle.fileno()).st_size > position + 8 + _HEADER else None


def _wav_cut_short(fd: int) -> str | None:
    if (found := _wav_data(fd)) is None:
        return None
    position, length, byte_rate = found
    there = max(0, os.fstat(fd).st_size - position - 8)
    if length == 0 or length in _STREAMING or there + _HEADER >= length:
        return None
    if not byte_rate:
        return f"its header promises {length} bytes of samples, the file holds {there}"
    return f"its header promises {length / byte_rate:.2f} s, the file holds {there / byte_rate:.2f} s"


def _wav_data(fd: int) -> tuple[int, int, int] | None:
    """Return where a WAV file's data chunk begins, its bytes as the header says, and bytes a second."""
    head = os.pread(fd, 12, 0)
    if head[:4] not in (b"RIFF", b"RF64") or head[8:12] != b"WAVE":
        return None
    position, byte_rate, long_size = 12, 0, 0
    while len(chunk := os.pread(fd, 8, position)) == 8:
        name, length = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        if name == b"data":
            return position, long_size if long_size and length == 0xFFFFFFFF else length, byte_rate
        if name == b"ds64" and len(sizes := os.pread(fd, 16, position + 8)) == 16:
            long_size = struct.unpack("<QQ", sizes)[1]
        elif name == b"fmt " and len(form := os.pread(fd, 12, position + 8)) == 12:
            byte_rate = struct.unpack("<HHII", form)[3]
        position += 8 + length + length % 2
    return None


def _last_page(fd: int) -> int | None:
    """Return the header flags of an Ogg file's last page, None if the page is not whole."""
    size = os.fstat(fd).st_size
    tail = os.pread(fd, 2 * _OGG_PAGE, max(0, size - 2 * _OGG_PAGE))
    page = tail[max(0, tail.rfind(b"OggS")):]
    if len(page) < 27 or len(page) < 27 + page[26] or len(page) < 27 + page[26] + sum(page[27:27 + page[26]]):
        return None
    return page[5]


def mp3_samples(handle: BinaryIO) -> int | None:
    """Count the samples of an MP3 file that lacks the header (Xing, Info or VBRI) which would say it.

    libsndfile takes such a file's length from the bit rate of its first frame, and decodes no more than that.

    Returns:
        The number, or None where the file is no MP3, has the header, or is of free bit rate.
    """
    head = os.pread(handle.fileno(), 10, 0)
    start = 0
    if head[:3] == b"ID3" and len(head) == 10:
        start = 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
    first = os.pread(handle.fileno(), 4, start)
    frame = _mp3_frame(first)
    if frame is None:
        return None
    if any(name in os.pread(handle.fileno(), frame[0], start) for name in (b"Xing", b"Info", b"VBRI")):
        return None
    data = os.pread(handle.fileno(), os.fstat(handle.fileno()).st_size - start, start)
    position = samples = 0
    while (frame := _mp3_frame(data[position:position + 4])) is not None:
        position += frame[0]
        samples += frame[1]
    return samples


def _mp3_frame(header: bytes) -> tuple[int, int] | None:
    """Return a layer III frame's bytes and samples a channel; None if this is no such header."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version = header[1] >> 3 & 3
    if version == 1 or header[2] >> 2 & 3 == 3:
        return None
    bits, rate = _BITRATES[version == 3][header[2] >> 4] * 1000, _RATES[version][header[2] >> 2 & 3]
    if not bits:
        return None
    samples = 1152 if version == 3 else 576
    return samples // 8 * bits // rate + (header[2] >> 1 & 1), samples
