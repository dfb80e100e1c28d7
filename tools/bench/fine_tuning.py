"""Memory and processor time of a training step with a pretrained encoder in the model, by what of it learns.

    tools/venv/bin/python tools/bench/fine_tuning.py --model /models/whisper-base

One thread; batches of like utterances of noise, s2t_blstm and a Transformer decoder of the recipes' size behind the
encoder. Each case runs in a process of its own. Times are of the processor, so that they hold on a busy machine; the
last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from stxfer.audio.hub import open_hub_model
from stxfer.model.build import build_model

TOKENS = ["<blank>", "<unk>", *(f"p{i}" for i in range(298)), "<sos/eos>"]
CASES = ("nothing", "lora", "top", "all")


def main() -> None:
    """Run the cases and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="directory of a pretrained encoder")
    parser.add_argument("--seconds", type=float, default=10.0, help="of an utterance")
    parser.add_argument("--utterances", type=int, default=4, help="of a batch")
    parser.add_argument("--steps", type=int, default=3, help="timed, after one that warms up")
    args = parser.parse_args()
    results = {}
    for case in CASES:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            results[case] = row = pool.apply(measure, (case, args.model, args.seconds, args.utterances, args.steps))
        print(f"{case:8} learns {row['learns'] / 1e6:6.2f} M  kept {row['megabytes']:6.1f} MB  "
              f"step {row['seconds']:6.2f} s  memory {row['gigabytes']:5.2f} GB", flush=True)
    print(json.dumps(results))


def measure(case: str, model: Path, seconds: float, utterances: int, steps: int) -> dict[str, Any]:
    """Return what a case takes: parameters of the encoder that learn and are kept, processor time, peak memory."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    built: Any = build_model("asr", {
        "token_list": TOKENS, "input_size": None, "normalize": None, "init": "xavier_uniform", "frontend": "pretrained",
        "frontend_conf": {"model": str(model), "tune": case}, "encoder": "s2t_blstm",
        "encoder_conf": {"output_size": 256, "num_layers": 2, "conv_layers": 1}, "decoder": "transformer",
        "decoder_conf": {"attention_heads": 4, "linear_units": 576, "num_blocks": 3},
        "model_conf": {"ctc_weight": 0.3}})
    built.train()
    optimiser = torch.optim.AdamW(built.parameters(), lr=1e-4)
    batch = {"speech": torch.randint(-3000, 3000, (utterances, round(100 * seconds), 160)).float(),
             "speech_lengths": torch.full((utterances,), round(100 * seconds)),
             "text": torch.randint(2, 300, (utterances, round(4 * seconds))),
             "text_lengths": torch.full((utterances,), round(4 * seconds))}
    times = []
    for _ in range(steps + 1):
        started = time.process_time()
        built(**batch)[0].backward()
        optimiser.step()
        optimiser.zero_grad()
        times.append(time.process_time() - started)
    kept = built.frontend.state_dict().values()
    return {"family": open_hub_model(model).family, "seconds": round(statistics.median(times[1:]), 2),
            "learns": sum(p.numel() for p in built.frontend.parameters() if p.requires_grad),
            "megabytes": round(sum(value.numel() * value.element_size() for value in kept) / 1e6, 1),
            "gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)}


if __name__ == "__main__":
    main()
