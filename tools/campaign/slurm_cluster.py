"""A Slurm of several machines on this one, for tests: munged, slurmctld and a slurmd a machine, nothing of the system.

It runs as whoever starts it, listens on this machine alone, and keeps everything in a directory that is removed.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={root}/munge/socket,cred_expire=6
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SlurmdTimeout=6
SlurmctldTimeout=10
MinJobAge=300
KillWait=2
JobRequeue=1
MaxJobCount=20000
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=1,default_queue_depth=1000
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
AccountingStorageType={accounting}
"""


def missing() -> str:
    """Return why a cluster cannot be started here, nothing if it can."""
    absent = [name for name in PROGRAMS if _program(name) is None]
    return f"no {' '.join(absent)} here (Debian and Ubuntu: apt-get install slurm-wlm munge)" if absent else ""


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Cluster:
    """A Slurm cluster; a context manager, which also sets ``SLURM_CONF``.

    Args:
        nodes: how many machines, ``n1`` and so on.
        cpus: that each says it has.
        blind: directories by the machine that shall not see them, which needs root.
        accounting: Slurm's plugin, and further lines of its configuration.
    """

    def __init__(self, nodes: int = 3, *, cpus: int = 4, blind: dict[str, Path] | None = None,
                 accounting: str = "accounting_storage/none") -> None:
        self.names = [f"n{number}" for number in range(1, nodes + 1)]
        self.cpus, self.blind, self.accounting = cpus, blind or {}, accounting
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Cluster:
        self.root = Path(tempfile.mkdtemp(prefix="slurm"))
        self._before = os.environ.get("SLURM_CONF")
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        for name in ("munge", "state", "spool", "log"):
            (self.root / name).mkdir()
        self.root.chmod(0o755)
        for name in self.names:
            (self.root / "spool" / name).mkdir()
        (self.root / "munge/key").write_bytes(os.urandom(128))
        (self.root / "munge/key").chmod(0o400)
        control, *ports = free_ports(1 + len(self.names))
        host = socket.gethostname().partition(".")[0]
        text = CONF.format(root=self.root, host=host, port=control, user=getpass.getuser(), accounting=self.accounting)
        text += "".join(f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={self.cpus} "
                        "RealMemory=4000\n" for name, port in zip(self.names, ports, strict=True))
        text += f"PartitionName=main Nodes={','.join(self.names)} Default=YES MaxTime=INFINITE State=UP\n"
        (self.root / "slurm.conf").write_text(text)
        os.environ["SLURM_CONF"] = str(self.root / "slurm.conf")
        munge = {word: self.root / "munge" / word for word in ("socket", "pid", "log", "seed")}
        self.begin("munged", "--foreground", "--force", f"--key-file={self.root}/munge/key",
                   f"--socket={munge['socket']}", f"--pid-file={munge['pid']}", f"--log-file={munge['log']}",
                   f"--seed-file={munge['seed']}")
        wait_for(munge["socket"].exists, "munged has no socket", self.said)
        self.begin("slurmctld", "-D")
        for name in self.names:
            self.begin_node(name)
        wait_for(lambda: self.states() == dict.fromkeys(self.names, "idle"), "the machines are not idle", self.said)

    def begin(self, program: str, *words: str, name: str = "", prefix: Sequence[str] = ()) -> None:
        """Start a daemon."""
        path = _program(program)
        assert path is not None
        with (self.root / "log" / (name or program)).open("ab") as log:
            self.processes[name or program] = subprocess.Popen([*prefix, path, *words], stdout=log, stderr=log,
                                                               stdin=subprocess.DEVNULL)

    def begin_node(self, name: str) -> None:
        """Start a machine's slurmd."""
        prefix: list[str] = []
        if (hidden := self.blind.get(name)) is not None:
            prefix = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(hidden)]
        self.begin("slurmd", "-D", "-N", name, name=name, prefix=prefix)

    def states(self) -> dict[str, str]:
        """Return the machines' states."""
        shown = subprocess.run(["sinfo", "--noheader", "--Node", "--format=%N %t"], capture_output=True, text=True)
        return dict(line.split()[:2] for line in shown.stdout.splitlines() if line.strip())

    def said(self) -> str:
        """Return the ends of the daemons' logs."""
        return "\n".join(f"{path.name}: " + "\n".join(path.read_text(errors="replace").splitlines()[-5:])
                         for path in sorted((self.root / "log").iterdir()))

    def kill(self, name: str, *, jobs: bool = False) -> None:
        """Kill a machine's slurmd, with ``jobs`` everything that it has started, as if the machine were gone.

        All of it is stopped first: what outlives its neighbour by a moment would tell Slurm that a job has failed.
        """
        held = [self.processes[name].pid]
        if jobs:
            _send(held[0], signal.SIGSTOP)
            while new := set(self._steps(name)).difference(held):
                for pid in sorted(new):
                    _send(pid, signal.SIGSTOP)
                held += new
        for pid in held:
            _send(pid, signal.SIGKILL)
        self.processes[name].wait()

    def tell_down(self, name: str) -> None:
        """Tell Slurm that a machine is down, which it would find out itself in half a minute."""
        subprocess.run(["scontrol", "update", f"NodeName={name}", "State=DOWN", "Reason=test"], check=True)

    def _steps(self, name: str) -> list[int]:
        """Return the processes of a machine's jobs, and those of Slurm that hold them."""
        wanted = {f"SLURMD_NODENAME={name}".encode(), f"SLURM_CONF={self.root}/slurm.conf".encode()}
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if wanted <= set((path / "environ").read_bytes().split(b"\0")):
                    found.append(int(path.name))
                    parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
                    if (path.parent / parent / "comm").read_text().strip() == "slurmstepd":
                        found.append(int(parent))
            except OSError:  # it has ended
                continue
        return found

    def __exit__(self, *_: object) -> None:
        if "slurmctld" in self.processes and self.processes["slurmctld"].poll() is None:
            running = ["--user", getpass.getuser(), "--states=RUNNING"]
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(["scancel", *running[:2], "--state=RUNNING"], capture_output=True, timeout=30)
                for _ in range(50):
                    if not subprocess.run(["squeue", "--noheader", *running], capture_output=True, timeout=30).stdout:
                        break
                    time.sleep(0.1)
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pid in {pid for name in self.names for pid in self._steps(name)}:
            _send(pid, signal.SIGKILL)
        if self._before is None:
            os.environ.pop("SLURM_CONF", None)
        else:
            os.environ["SLURM_CONF"] = self._before
        shutil.rmtree(self.root, ignore_errors=True)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def wait_for(what: Callable[[], object], why: str, more: Callable[[], str] = str, *, seconds: float = 60) -> None:
    """Wait until something is true.

    Raises:
        AssertionError: it has not become so.
    """
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"{why}\n{more()}"
        time.sleep(0.1)
