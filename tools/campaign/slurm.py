#!/usr/bin/env python3
"""Run a recipe on a Slurm cluster, hurt it, and compare what it leaves with a run on this machine alone.

A cluster of several machines is started on this one (tools/campaign/slurm_cluster.py), with submitit in the
environment and Debian's slurm-wlm and munge installed. The smallest recipe, tools/campaign/tiny.yaml, makes its data
once; then, each in a copy of that:

- ``local``: the other stages as processes of this machine: what the others are compared with;
- ``slurm``: as jobs;
- ``signal``: each training is told that its time limit is near (``scancel --signal``), once;
- ``node``: a machine that trains dies, with everything on it (``kill -9`` of its slurmd and of what that has started);
- ``daemon``: a slurmd alone dies; what it has started goes on, and Slurm starts it again elsewhere;
- ``driver``: ``run.sh`` is killed as soon as the trainings are in the queue, and started again;
- ``nodes``: a system is trained by two machines with a process each (gloo), and by one with the same batches;
- ``grid``: 1,000 jobs in dependency order, submitted to machines that take none and watched for ``--minutes``, then
  cancelled: seconds, memory and calls of ``squeue``.

Results must be the same to the digit, but for ``nodes``, whose sums have another order: within 1e-3.

    tools/campaign/slurm.py --work DIR [--only "slurm node"] [--jobs 1000] [--minutes 10]

DIR is made; it must not exist. Ends with status 1 if anything is different.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from slurm_cluster import Cluster, missing, wait_for

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from stxfer.cluster import run as cluster_run  # noqa: E402
from stxfer.cluster import watch  # noqa: E402
from stxfer.core.jobs import Job  # noqa: E402
from stxfer.core.stage import Stage  # noqa: E402
from stxfer.core.workdir import ROOT as MARK  # noqa: E402

RUN = ROOT / "egs2/mini_sw/asr1/run.sh"
CASES = ("local", "slurm", "signal", "node", "daemon", "driver", "nodes", "grid")
CONF = "default time=60\noption time=* --time=$0\n"
ENV = {"STXFER_PYTHON": sys.executable}
SMALL = """include: [{tiny}]
systems:
  {{direct: null, st_mt: null, xfer_mt: null, source_asr: null, scratch: {{task: asr, data: tgt_train, text: sw}}}}
compare: []
model:
  encoder: s2t_transformer
  encoder_conf: {{macaron_style: null, use_cnn_module: null, cnn_module_kernel: null}}
train: {{default: {{dropout: 0.0, specaug: false, steps: 4}}}}
"""


class Campaign:
    """The work directories and what comes out of them."""

    def __init__(self, work: Path, cluster: Cluster, jobs: int, minutes: float) -> None:
        self.work, self.cluster, self.jobs, self.minutes = work, cluster, jobs, minutes
        self.config = ROOT / "tools/campaign/tiny.yaml"
        (work / "slurm.conf").write_text(CONF)

    def start(self, name: str, *arguments: str, backend: str = "slurm") -> subprocess.Popen[bytes]:
        """Start the recipe."""
        env = {**ENV, **os.environ, "cmd_backend": backend, "slurm_conf": str(self.work / "slurm.conf"),
               "train_cmd": "", "cuda_cmd": "", "decode_cmd": ""}
        words = [a for a in arguments if a]
        if "--config" not in words:
            words += ["--config", str(self.config)]
        with (self.work / f"{name}.log").open("ab") as log:
            return subprocess.Popen([RUN, "--workdir", str(self.work / name), "--nj", "2", *words], env=env,
                                    stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)

    def run(self, name: str, *arguments: str, backend: str = "slurm") -> None:
        """Run the recipe to its end."""
        self.end(name, self.start(name, *arguments, backend=backend))

    def end(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Wait for the recipe's end, which has to be a good one."""
        if process.wait():
            raise SystemExit(f"{name}: failed\n{self.said(name)[-3000:]}")

    def said(self, name: str) -> str:
        """Return what the recipe has said."""
        return (self.work / f"{name}.log").read_text(errors="replace")

    def copy(self, name: str) -> Path:
        """Copy the prepared data."""
        shutil.copytree(self.work / "data", self.work / name)
        return self.work / name

    def training(self, name: str) -> Callable[[], object]:
        """Return whether a training is at work."""
        return lambda: any("phase 1" in path.read_text(errors="replace")
                           for path in (self.work / name / "exp").glob("*/seed1/train.log"))

    def running(self, name: str) -> list[tuple[str, str]]:
        """Return number and machine of the jobs that run."""
        shown = subprocess.run(["squeue", "--noheader", "--states=running", "--format=%i %N"], capture_output=True,
                               text=True, check=True).stdout
        return [(number, node) for number, node in map(str.split, shown.splitlines())]

    def begun(self, name: str) -> set[str]:
        """Return the numbers of the jobs that have begun: earlier, Python does not yet know the signal."""
        numbers = set()
        for status in (self.work / name / ".slurm").glob("*/[0-9]*.json"):
            with suppress(FileNotFoundError):  # it has ended meanwhile
                batch = json.loads((status.parent / "batch.json").read_text())
                numbers.add(batch["job"] + (f"_{status.stem}" if len(batch["members"]) > 1 else ""))
        return numbers

    def compare(self, name: str) -> list[str]:
        """Return which results differ from those of this machine alone."""
        ours, theirs = (results(self.work / of) for of in (name, "local"))
        return [key for key in theirs if ours.get(key) != theirs[key]] + \
            [str(path) for path, made in hypotheses(self.work / "local")
             if (self.work / name / path).read_bytes() != made]


def results(work: Path) -> dict[str, object]:
    """Return what ``results.json`` holds, without what a cluster adds."""
    found: dict[str, object] = json.loads((work / "exp/report/results.json").read_text())
    found.pop("cluster", None)
    return found


def hypotheses(work: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield the hypotheses and the parameters of a run."""
    for pattern in ("exp/*/seed1/model.pth", "exp/*/seed1/decode/*/text", "exp/*/seed1/decode/*/logprob",
                    "dump/fbank/*/feats.sha256", "dump/labels/*/*/text.*"):
        for path in sorted(work.glob(pattern)):
            yield path.relative_to(work), path.read_bytes()


def case_local(campaign: Campaign) -> str:
    """Run on this machine alone."""
    campaign.copy("local")
    campaign.run("local", "--stage", "features", backend="local")
    return f"{len(list(hypotheses(campaign.work / 'local')))} files to compare"


def case_slurm(campaign: Campaign) -> str:
    """Run on the cluster."""
    campaign.copy("slurm")
    campaign.run("slurm", "--stage", "features")
    return ""


def case_signal(campaign: Campaign) -> str:
    """Requeue every training once."""
    campaign.copy("signal")
    process, sent = campaign.start("signal", "--stage", "features"), set[str]()
    while process.poll() is None:
        begun = campaign.begun("signal") if "=== stage 8" in campaign.said("signal") else set()
        for number, _ in campaign.running("signal"):
            if number in begun - sent:
                subprocess.run(["scancel", "--signal=USR2", number], check=False)
                sent.add(number)
        time.sleep(1)
    campaign.end("signal", process)
    return f"{len(sent)} jobs told, {campaign.said('signal').count('has begun again')} starts again"


def case_node(campaign: Campaign, *, jobs: bool = True, name: str = "node") -> str:
    """Kill a machine."""
    campaign.copy(name)
    process = campaign.start(name, "--stage", "features")
    try:
        wait_for(campaign.training(name), "no training", lambda: campaign.said(name)[-2000:], seconds=1200)
        (_, node), *_ = campaign.running(name)
        campaign.cluster.kill(node, jobs=jobs)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    campaign.end(name, process)
    campaign.cluster.begin_node(node)
    return f"{node} killed, {campaign.said(name).count('has begun again')} jobs begun again"


def case_daemon(campaign: Campaign) -> str:
    """Kill a slurmd alone."""
    return case_node(campaign, jobs=False, name="daemon")


def case_driver(campaign: Campaign) -> str:
    """Kill run.sh while its jobs are in the queue."""
    campaign.copy("driver")
    process = campaign.start("driver", "--stage", "features")
    wait_for(campaign.training("driver"), "no training", lambda: campaign.said("driver")[-2000:], seconds=1200)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = campaign.said("driver").count(": job ")
    campaign.run("driver", "--stage", "features")
    said = campaign.said("driver")
    return f"{said.count('is in the queue as job')} jobs found, {said.count(': job ') - before} submitted after"


def case_nodes(campaign: Campaign) -> str:
    """Train with two machines, and with one."""
    from stxfer.model.transfer import load_state

    work = campaign.copy("nodes")
    config = campaign.work / "nodes.yaml"
    config.write_text(SMALL.format(tiny=campaign.config))
    shutil.copytree(campaign.work / "local/dump", work / "dump", dirs_exist_ok=True)
    more = ("--config", str(config), "--stage", "target_asr", "--stop-stage", "target_asr")
    campaign.run("nodes", *more, "--expdir", "one", backend="local")
    campaign.run("nodes", *more, "--expdir", "two", "--nodes", "2")
    one, two = (load_state(work / exp / "scratch/seed1/model.pth") for exp in ("one", "two"))
    most = max(float((one[key].double() - two[key].double()).abs().max()) for key in one
               if not key.endswith("linear_k.bias"))  # softmax does not see it: Adam scales up what rounding leaves
    if most > 1e-3:
        raise SystemExit(f"nodes: DIFFERENT: parameters by {most}")
    return f"parameters differ by {most:.1e} at most"


def case_grid(campaign: Campaign) -> str:
    """Submit many jobs that have to wait, watch them, and cancel them."""
    subprocess.run(["scontrol", "update", f"NodeName={','.join(campaign.cluster.names)}", "State=DRAIN", "Reason=grid"],
                   check=True)
    work = campaign.work / "grid"
    work.mkdir()
    (work / MARK).touch()
    os.chdir(work)
    os.environ |= {"cmd_backend": "slurm", "slurm_conf": str(campaign.work / "slurm.conf")}
    jobs = []
    for k in range(campaign.jobs):  # chains as of source ASR, ST, target ASR and its decoding
        needs = (Path(f"x/{k - 1}"),) if k % 4 else ()
        jobs.append(Job(f"job {k}", Stage(f"job {k}", Path(f"x/{k}")), ("true",), "log", lambda _: None, needs))
    before = peak()
    began = submitted = time.monotonic()
    with counted() as calls:
        follow = watch.Watch.follow

        def follow_for_a_while(self: watch.Watch) -> None:
            nonlocal submitted
            submitted = time.monotonic()
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            signal.setitimer(signal.ITIMER_REAL, campaign.minutes * 60)
            follow(self)

        watch.Watch.follow = follow_for_a_while  # type: ignore[method-assign]
        try:
            cluster_run.run_jobs(jobs, 1)
        except KeyboardInterrupt:
            subprocess.run(["scancel", "--user", getpass.getuser()], check=True)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            watch.Watch.follow = follow  # type: ignore[method-assign]
    count = len(list(Path(".slurm").glob("*/batch.json")))
    watched = time.monotonic() - submitted
    return f"{count} jobs submitted in {submitted - began:.0f} s, watched for {watched:.0f} s with {calls[0]} " \
           f"calls of squeue, {before:.0f} MiB before, {peak():.0f} at most"


def peak() -> float:
    """Return the MiB that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def counted() -> Iterator[list[int]]:
    """Count the calls of squeue."""
    real, calls = watch.slurm.queue, [0]

    def queue() -> Iterator[watch.slurm.Row]:
        calls[0] += 1
        return real()

    watch.slurm.queue = queue  # type: ignore[assignment]
    try:
        yield calls
    finally:
        watch.slurm.queue = real


def main() -> None:
    """Run the cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="directory to make")
    parser.add_argument("--only", type=str.split, default=CASES, metavar="'A B'", help=f"of {' '.join(CASES)}")
    parser.add_argument("--jobs", type=int, default=1000, help="of the grid")
    parser.add_argument("--minutes", type=float, default=10.0, help="that the grid is watched")
    args = parser.parse_args()
    if unknown := set(args.only) - set(CASES):
        raise SystemExit(f"error: --only: no case {' '.join(sorted(unknown))}; there are: {' '.join(CASES)}")
    if why := missing():
        raise SystemExit(f"error: {why}")
    work = args.work.absolute()
    work.mkdir(parents=True)
    bad = 0
    with Cluster(4, cpus=4) as cluster:
        campaign = Campaign(work, cluster, args.jobs, args.minutes)
        if set(args.only) - {"grid"}:
            campaign.run("data", "--stop-stage", "prepare", backend="local")
        for name in [case for case in CASES if case in args.only or (case == "local" and set(args.only) - {"grid"})]:
            began = time.monotonic()
            detail = globals()[f"case_{name}"](campaign)
            wrong = campaign.compare(name) if name not in ("local", "nodes", "grid") else []
            bad += bool(wrong)
            outcome = f"DIFFERENT: {' '.join(wrong[:5])}" if wrong else "identical" if name not in (
                "local", "nodes", "grid") else "ok"
            print(f"{name}: {outcome}{'; ' if detail else ''}{detail}; {time.monotonic() - began:.0f} s", flush=True)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
