"""Time from starting a training to its first step, against ESPnet's own command with the same configuration.

    tools/venv/bin/python tools/bench/startup.py

Case ``train``: ``python -m stxfer.bin.train_system`` (checks of all inputs, initial parameters and transfer included)
and ``python -m espnet2.bin.asr_train``, a small Conformer on 24 made-up utterances, both with one thread, in turn;
seconds, the least of ``--rounds``. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import toy  # noqa: E402  (a prepared experiment)

EPOCHS = 1000  # more than are trained before the kill
FIRST_STEP = f"1/{EPOCHS}epoch started"
BLOCK = {"output_size": 16, "attention_heads": 2, "linear_units": 16, "num_blocks": 1, "cnn_module_kernel": 5}


def main() -> None:
    """Run the case and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="starts of each side, in turn")
    args = parser.parse_args()
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        toy.make_world(work)
        _, config = toy.make_experiment(work, model={**toy.CONFIG["model"], "encoder": "conformer",
                                                     "encoder_conf": BLOCK},
                                        train={**toy.CONFIG["train"], "source": [{"epochs": EPOCHS}]})
        phase = work / "exp/source_asr/seed1/phase1"
        ours = ["stxfer.bin.train_system", "--config", str(config), "--system", "source_asr"]
        peer = ["espnet2.bin.asr_train", "--config", str(work / "peer.yaml"), "--output_dir", str(work / "peer")]
        for _ in range(args.rounds):
            shutil.rmtree(work / "exp", ignore_errors=True)
            seconds["ours"].append(start(ours, work))
            shutil.copy(phase / "train.0.yaml", work / "peer.yaml")
            shutil.rmtree(work / "peer", ignore_errors=True)
            seconds["peer"].append(start(peer, work))
    best = {side: min(values) for side, values in seconds.items()}
    print(f"{'case':8} {'ours':>8} {'peer':>8}   seconds to the first step, the least of {args.rounds} starts; load "
          f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'train':8} {best['ours']:8.2f} {best['peer']:8.2f}   {best['peer'] / best['ours']:.1f} times as fast")
    print(json.dumps({"train": {"ours": round(best["ours"], 3), "peer": round(best["peer"], 3),
                                "ratio": round(best["ours"] / best["peer"], 3)}}))


def start(command: Sequence[str], folder: Path) -> float:
    """Start a training, wait for its first epoch to begin, kill it; return the seconds."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=folder, stderr=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, text=True,
                               env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)})
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if FIRST_STEP in line:
            took = time.perf_counter() - began
            process.kill()
            process.wait()
            return took
    raise SystemExit(f"{command[0]} ended before its first step:\n{''.join(lines[-20:])}")


if __name__ == "__main__":
    main()
