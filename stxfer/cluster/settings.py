"""Where jobs run and with which resources: what a recipe's ``cmd.sh`` and ``conf/slurm.conf`` say.

``cmd.sh`` exports ``cmd_backend`` (``local`` or ``slurm``), and for each kind of work options such as ``--mem 8G
--gpu 1``: ``train_cmd`` (work on processors), ``cuda_cmd`` (trainings), ``decode_cmd``. ``conf/slurm.conf`` says what
those options are to ``sbatch`` at a site, in the format of Kaldi's ``slurm.pl``::

    command sbatch --account=speech
    default time=24:00:00
    default gpu=0
    option time=* --time=$0
    option mem=* --mem=$0
    option gpu=0 --partition=cpu
    option gpu=* --partition=gpu --gres=gpu:$0
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stxfer.core.errors import ConfigError, DataError
from stxfer.core.mistakes import nearest

BACKENDS = ("local", "slurm")
BACKEND, CONF = "cmd_backend", "slurm_conf"  # of the environment; the options of a kind of work are in <kind>_cmd
KINDS = ("train", "cuda", "decode")
_SHORT = {"A": "account", "C": "constraint", "G": "gpus", "L": "licenses", "M": "clusters", "N": "nodes",
          "c": "cpus-per-task", "p": "partition", "q": "qos", "t": "time", "w": "nodelist", "x": "exclude"}
_TIME = re.compile(r"(?:(?P<days>\d+)-(?P<hours>\d+)(?::(?P<m>\d+)(?::(?P<s>\d+))?)?)$"
                   r"|(?:(?:(?P<h>\d+):)?(?P<minutes>\d+):(?P<seconds>\d+))$|(?P<only>\d+)$")


@dataclass(frozen=True)
class Site:
    """What a site's ``slurm.conf`` says.

    Attributes:
        path: the file.
        command: options of every job.
        defaults: values of options that are not given.
        options: option to value (``*``: any other) to words for ``sbatch``, in which ``$0`` is the value.
    """

    path: Path
    command: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    def flags(self, given: Mapping[str, str]) -> dict[str, str | bool]:
        """Return the options of ``sbatch``, without dashes, True where one has no value.

        Raises:
            ConfigError: the file does not know an option, or a value of it.
        """
        words = list(self.command)
        for name, value in {**self.defaults, **given}.items():
            known = self.options.get(name)
            if known is None:
                raise ConfigError(f"{self.path}: knows no option {name!r}: add 'option {name}=* ...'"
                                  f"{nearest(name, self.options)}")
            if value not in known and "*" not in known:
                raise ConfigError(f"{self.path}: knows no {name}={value}: add 'option {name}=* ...'")
            words += [word.replace("$0", value) for word in known.get(value, known.get("*", ()))]
        return long_options(words, str(self.path))


def read_site(path: Path) -> Site:
    """Read a site's ``slurm.conf``.

    Raises:
        ConfigError: it is not there, or a line is not as Kaldi's ``slurm.pl`` reads it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; egs2/TEMPLATE/asr1/conf/slurm.conf is one to begin with") from None
    command: tuple[str, ...] = ()
    defaults: dict[str, str] = {}
    options: dict[str, dict[str, tuple[str, ...]]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = _split(line.partition("#")[0], f"{path}:{number}")
        if not words:
            continue
        name, _, value = words[1].partition("=") if len(words) > 1 else ("", "", "")
        if words[0] == "command" and words[1:2] == ["sbatch"]:
            command = tuple(words[2:])
        elif words[0] == "default" and len(words) == 2 and value:
            defaults[_key(name)] = value
        elif words[0] == "option" and value:
            options.setdefault(_key(name), {})[value] = tuple(words[2:])
        else:
            raise ConfigError(f"{path}:{number}: {line.strip()!r}: a line 'command sbatch ...', 'default NAME=VALUE' "
                              "or 'option NAME=VALUE ...' is needed")
    return Site(path, command, defaults, options)


@dataclass(frozen=True)
class Settings:
    """Where jobs run.

    Attributes:
        backend: one of ``BACKENDS``.
        given: the options that each kind of work has in ``cmd.sh``.
        conf: the site's ``slurm.conf``.
    """

    backend: str = "local"
    given: Mapping[str, str] = field(default_factory=dict)
    conf: Path = Path("conf/slurm.conf")

    @classmethod
    def of_environment(cls) -> Settings:
        """Return what ``cmd.sh`` has exported; jobs run on this machine where it has exported nothing.

        Raises:
            ConfigError: there is no such backend.
        """
        backend = os.environ.get(BACKEND) or "local"
        if backend not in BACKENDS:
            raise ConfigError(f"{BACKEND}={backend}: must be one of {' '.join(BACKENDS)}{nearest(backend, BACKENDS)}")
        return cls(backend, {kind: os.environ.get(f"{kind}_cmd", "") for kind in KINDS},
                   Path(os.environ.get(CONF) or cls.conf))

    def flags(self, kind: str, *, cpus: int = 1, devices: int = 1) -> dict[str, str | bool]:
        """Return the options of ``sbatch`` for a job.

        Args:
            kind: of the work, one of ``KINDS``.
            cpus: processor cores that it needs on a machine.
            devices: processes on a machine, each with a GPU where this kind of work has any.

        Raises:
            ConfigError: see :meth:`Site.flags`; or nothing says how long the job may run.
        """
        site = read_site(self.conf)
        name = f"{kind}_cmd"
        given = {}
        for key, value in long_options(_split(self.given.get(kind, ""), name), name).items():
            if value is True:
                raise ConfigError(f"{name}: --{key} needs a value")
            given[_key(key)] = str(value)
        if cpus > 1 and "num_threads" in site.options:
            given.setdefault("num_threads", str(cpus))
        if devices > 1 and given.get("gpu", "0") not in ("0", str(devices)):
            given["gpu"] = str(devices)
        flags = site.flags(given)
        if "time" not in flags:
            raise ConfigError(f"{self.conf}: a time limit is needed: 'default time=24:00:00', or --time in {name}")
        return flags


def long_options(words: Iterable[str], where: str) -> dict[str, str | bool]:
    """Return ``{"mem": "4G", "exclusive": True}`` of ``--mem 4G --exclusive``; of ``-p gpu`` ``{"partition": "gpu"}``.

    Raises:
        ConfigError: a word is no option, and no value of one.
    """
    found: dict[str, str | bool] = {}
    last = ""
    for word in words:
        if word.startswith("--"):
            last, equals, value = word[2:].partition("=")
            found[last] = value if equals else True
        elif re.fullmatch("-[A-Za-z].*", word):
            if word[1] not in _SHORT:
                raise ConfigError(f"{where}: {word[:2]}: write the long option of sbatch that you mean")
            last = _SHORT[word[1]]
            found[last] = word[2:] or True
        elif last and found[last] is True:
            found[last] = word
        else:
            raise ConfigError(f"{where}: {word!r}: options as --mem 4G are needed")
    return found


def minutes(time: str) -> int:
    """Return the minutes, at least 1, of a time as ``sbatch`` takes it: ``30``, ``30:00``, ``2:00:00``, ``1-12``.

    Raises:
        ConfigError: it is none.
    """
    match = _TIME.match(time)
    if match is None:
        raise ConfigError(f"--time {time}: a time as 2:00:00 or 1-12:00:00 is needed")
    part = {name: int(value or 0) for name, value in match.groupdict().items()}
    seconds = part["days"] * 86400 + (part["hours"] + part["h"]) * 3600 + part["s"] + part["seconds"] + \
        (part["m"] + part["minutes"] + part["only"]) * 60
    return max(1, -(-seconds // 60))


def _key(name: str) -> str:
    return name.replace("-", "_")


def _split(text: str, where: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise DataError(f"{where}: {str(error).lower()}") from None
