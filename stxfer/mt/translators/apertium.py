"""Translate by rules, with Apertium: one pipeline of processes for all sentences.

The programs of a mode's pipeline answer at each NUL byte when they are given ``-z``, so that a sentence can be sent
and its translation read while the pipeline keeps running. (``apertium -z`` itself does not: programs that it adds
keep what they have until the end of the input.)
"""

from __future__ import annotations

import contextlib
import difflib
import logging
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from stxfer.core.errors import ConfigError, StxferError
from stxfer.core.progress import Progress
from stxfer.experiment.translators import Apertium
from stxfer.mt.translator import Closing, Translation, checked
from stxfer.mt.translators.kind import Kind, LabelSource

log = logging.getLogger(__name__)
UNKNOWN = ("keep", "mark", "drop")
TIMEOUT = 60.0  # seconds for one sentence; the slowest mode takes less than one
AHEAD = 200  # sentences sent before the first answer is waited for: a pipeline works on several at once
FOLDERS = (Path("/usr/local/share/apertium/modes"), Path("/usr/share/apertium/modes"))
PACKAGES = {"cg-proc": "cg3", "vislcg3": "cg3", "lrx-proc": "apertium-lex-tools", "lt-proc": "lttoolbox",
            "lsx-proc": "apertium-separable", "rtx-proc": "apertium-recursive", "hfst-proc": "hfst",
            "apertium-anaphora": "apertium-anaphora"}
WITHOUT_FLUSH = ("vislcg3", "sed", "cat")
SPECIAL = re.compile(r"[\\\[\]{}^$@/<>*]")  # what Apertium's stream format gives a meaning
ESCAPED = r"\\\g<0>"
END = ".[]"  # how Apertium's own readers of text end a paragraph: the tagger sees a full stop that no one wrote


class ApertiumTranslator(Closing):
    """Apertium in one mode.

    Args:
        options: the mode, and what becomes of words it does not know.
        identity: what decides its translations; the versions of the packages are added.

    Raises:
        ConfigError: Apertium or the mode is not installed, or ``unknown`` is none of keep, mark, drop.
    """

    def __init__(self, options: Apertium, identity: Mapping[str, Any] | None = None) -> None:
        if options.unknown not in UNKNOWN:
            raise ConfigError(f"unknown {options.unknown!r}: must be one of {' '.join(UNKNOWN)}")
        commands(options.mode)
        self.options = options
        self.identity: Mapping[str, Any] = {**(identity or {}), "versions": _versions(options.mode)}
        self._pipeline: _Pipeline | None = None

    def translate(self, sentences: Sequence[str], nbest: int = 1,
                  keys: Sequence[str] = ()) -> list[list[Translation]]:
        """Translate sentences in their order, with score 0. An empty one has no translation.

        Raises:
            DataError: a sentence that is none, see :func:`stxfer.mt.translator.checked`.
            StxferError: the process died twice at the same sentence.
        """
        results: list[list[Translation]] = [[] for _ in sentences]
        filled = checked(sentences, keys)
        progress = Progress("translating", len(filled), "sentences", end=False)
        sent = done = 0
        died_at = -1
        while done < len(filled):
            try:
                pipeline = self._running()
                while sent < len(filled) and sent - done < (1 if done == died_at else AHEAD):
                    pipeline.send(sentences[filled[sent]])
                    sent += 1
                text = pipeline.receive()
            except _Died as error:
                self.close()
                if died_at == done:
                    where = keys[filled[done]] if keys else f"sentence {filled[done] + 1}"
                    raise StxferError(f"apertium {self.options.mode}: died twice at {where} "
                                      f"({sentences[filled[done]][:60]!r}): {error}; remove it, or run "
                                      f"'apertium {self.options.mode}' by hand to see why") from None
                log.warning("apertium %s: %s; started again at sentence %d", self.options.mode, error, done + 1)
                died_at, sent = done, done
                continue
            text = self._words(text)
            if text:
                results[filled[done]] = [Translation(text, 0.0)]
            done += 1
            progress.add()
        return results

    def close(self) -> None:
        """End the process."""
        if self._pipeline is not None:
            self._pipeline.stop()
            self._pipeline = None

    def _running(self) -> _Pipeline:
        if self._pipeline is None:
            self._pipeline = _Pipeline(self.options.mode)
        return self._pipeline

    def _words(self, text: str) -> str:
        """Treat the words that Apertium marks: ``*`` unknown, ``@`` without an entry, ``#`` without the form."""
        if self.options.unknown == "drop":
            text = re.sub(r"(?<!\w)[*@#]\S*\w", "", text)
        elif self.options.unknown == "keep":
            text = re.sub(r"(?<!\w)[*@#]\\?(?=\w)", "", text)
        return " ".join(text.split())


class ApertiumKind(Kind):
    """``translator: apertium``."""

    def reads_raw(self, options: Apertium) -> bool:
        """By option; raw text unless it says otherwise."""
        return options.text == "raw"

    def open(self, source: LabelSource, identity: Mapping[str, Any], threads: int) -> ApertiumTranslator:
        """Look whether the mode is installed; its pipeline is started by the first sentence."""
        return ApertiumTranslator(source.label.options, identity)


class _Died(Exception):
    """The pipeline ended, or does not answer."""


class _Pipeline:
    """A mode's programs at work, read by a thread so that neither side waits for the other with full pipes."""

    def __init__(self, mode: str) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (see stop)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._commands = commands(mode)
        source: Any = subprocess.PIPE
        for command in self._commands:
            process = subprocess.Popen(command, stdin=source, stdout=subprocess.PIPE, stderr=self._errors)
            if self._processes and self._processes[-1].stdout is not None:
                self._processes[-1].stdout.close()  # the new process's alone, so that each sees the other's end
            self._processes.append(process)
            source = process.stdout
        assert self._processes[0].stdin is not None and self._processes[-1].stdout is not None
        self._input, self._output = self._processes[0].stdin, self._processes[-1].stdout
        self._answers: Queue[bytes | None] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, sentence: str) -> None:
        try:
            self._input.write(f"{SPECIAL.sub(ESCAPED, sentence)}{END}\n\0".encode())
            self._input.flush()
        except OSError:
            raise _Died(self._why()) from None

    def receive(self) -> str:
        try:
            answer = self._answers.get(timeout=TIMEOUT)
        except Empty:
            raise _Died(f"no answer in {TIMEOUT:.0f} s") from None
        text = (answer or b"").decode("utf-8", errors="replace").replace(END, "").replace("[]", "").strip()
        if not text:  # at the end of its input a program writes NULs, before it is seen to have ended
            time.sleep(0.05)
            if answer is None or any(process.poll() is not None for process in self._processes):
                raise _Died(self._why())
        return re.sub(r"\\(.)", r"\1", text)

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self._reader.join()
        for stream in (self._input, self._output, self._errors):
            with contextlib.suppress(OSError):
                stream.close()

    def _read(self) -> None:
        rest = b""
        while block := self._output.read1(65536):  # type: ignore[attr-defined]
            *answers, rest = (rest + block).split(b"\0")
            for answer in answers:
                self._answers.put(answer)
        self._answers.put(None)

    def _why(self) -> str:
        ended = next((command[0] for command, process in zip(self._commands, self._processes, strict=True)
                      if process.poll() is not None), "a program")
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", errors="replace").split("\n")
        complaint = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"{ended} ended" + (f" ({complaint})" if complaint else "")


def modes() -> dict[str, Path]:
    """Return the modes installed, e.g. ``spa-cat``, and their files."""
    return {path.stem: path for folder in reversed(FOLDERS) for path in sorted(folder.glob("*.mode"))}


def commands(mode: str) -> list[list[str]]:
    """Return the command lines of a mode's pipeline, each made to answer at NUL.

    Raises:
        ConfigError: the mode, or a program of its pipeline, is not installed.
    """
    known, package = modes(), _package(mode)
    if not known and shutil.which("lt-proc") is None:
        raise ConfigError(f"mode {mode!r}: Apertium is not installed (Debian: {package})")
    if mode not in known:
        near = difflib.get_close_matches(mode, known, n=3)
        raise ConfigError(f"mode {mode!r} is not installed; installed: {' '.join(sorted(known)) or 'none'}"
                          + (f"; did you mean {' '.join(near)}?" if near else "")
                          + f" (Debian: {package}, or the package with the languages the other way round)")
    words = shlex.split(known[mode].read_text(encoding="utf-8").replace("|", " | "))
    pipeline: list[list[str]] = [[]]
    for word in words:
        if word == "|":
            pipeline.append([])
        elif word == "$1":
            pipeline[-1].append("-g")  # of the generator: mark unknown words
        elif word != "$2":  # of the tagger: its own debugging
            pipeline[-1].append(word)
    for command in pipeline:
        program = command[0]
        if shutil.which(program) is None:
            raise ConfigError(f"mode {mode!r} needs the program {program}, which is not installed (Debian: apt-get "
                              f"install {PACKAGES.get(program, 'apertium')})")
        if "-z" not in command and Path(program).name not in WITHOUT_FLUSH:
            command.insert(1, "-z")
    return pipeline


def _package(mode: str) -> str:
    first, _, second = mode.partition("-")
    return f"apt-get install apertium apertium-{first}-{second.partition('_')[0]}"


def _versions(mode: str) -> dict[str, str]:
    """Return the versions of Debian's packages, as far as dpkg knows them."""
    first, _, second = mode.partition("-")
    second = second.partition("_")[0]
    names = ["apertium", f"apertium-{first}-{second}", f"apertium-{second}-{first}"]
    if shutil.which("dpkg-query") is None:
        return {}
    found = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *names], capture_output=True,
                           text=True, check=False)
    return dict(line.split() for line in found.stdout.splitlines() if len(line.split()) == 2)
