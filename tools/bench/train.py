"""Train this project's models and ESPnet's side by side: seconds of audio a second, on one thread (or a GPU).

    tools/venv/bin/python tools/bench/train.py

Every case is an optimiser step (forward, backward, clipping, AdamW) on the same batches, both sides in turn, each
in a process of its own: ours with the memory settings of the recipes (egs2/TEMPLATE/asr1/path.sh), the peer as
ESPnet's recipes run it.

- ``berard_vs_vgg_rnn``, ``berard_vs_rnn_rnn``: the recurrent family (256-3-2: three bidirectional LSTMs of 256, two
  decoder LSTMs of 512, additive attention of 512) against ESPnet's ``vgg_rnn`` and ``rnn`` encoders of that many and
  that large LSTMs with its ``rnn`` decoder, additive attention, of the same sizes.
- ``transformer``, ``conformer``: ESPnet's own encoder and decoder on both sides; ours adds what the recipes' training
  adds, this project's dropout and the memory settings.
- ``transformer_memory``: the same model and code on both sides; only the memory settings differ.

``--size paper`` takes sizes for a GPU. The last line is JSON: seconds of audio a second, and ours / peer.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FRAMES_A_SECOND = 100
PIECES = 200
RECURRENT = {"small": (256, 3, 512, 2), "paper": (512, 5, 1024, 3)}  # encoder, decoder: size, layers
ATTENTION = {"small": (128, 6, 3, 512), "paper": (256, 12, 6, 2048)}  # dimension, blocks, linear units
BATCH = {"small": (20, (200, 600)), "paper": (64, (400, 1600))}  # utterances, frames of the shortest and the longest
CASES = ("berard_vs_vgg_rnn", "berard_vs_rnn_rnn", "transformer", "conformer", "transformer_memory")


def main() -> None:
    """Run the cases and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="steps timed of each side, in turn")
    parser.add_argument("--cases", default=" ".join(CASES), help="which, in quotes")
    parser.add_argument("--size", choices=list(RECURRENT), default="small", help="of models and batches")
    parser.add_argument("--side", choices=["ours", "peer"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        serve(args.cases, args.side, args.size)
        return
    results = {}
    for case in args.cases.split():
        results[case] = row = compare(case, args.size, args.rounds)
        print(f"{case:20} ours {row['ours']:8.1f}   peer {row['peer']:8.1f} audio-s/s   ratio {row['ratio']:6.2f}   "
              f"(steps of {row['ours_step_ms']:.0f} and {row['peer_step_ms']:.0f} ms, parameters "
              f"{row['ours_parameters'] / 1e6:.1f} and {row['peer_parameters'] / 1e6:.1f} M)", flush=True)
    print(json.dumps({case: {key: row[key] for key in ("ours", "peer", "ratio")} for case, row in results.items()}))


def compare(case: str, size: str, rounds: int) -> dict[str, float]:
    """Time both sides of a case in turn; the figures are of the median step."""
    sides = {side: subprocess.Popen(
        [sys.executable, __file__, "--cases", case, "--side", side, "--size", size], env=environment(case, side),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for side in ("ours", "peer")}
    try:
        facts = {side: json.loads(answer(process)) for side, process in sides.items()}
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(rounds + 2):
            for side, process in sides.items():
                assert process.stdin is not None
                process.stdin.write("step\n")
                process.stdin.flush()
                took = float(answer(process))
                if number >= 2:  # the first two warm up
                    seconds[side].append(took)
    finally:
        for process in sides.values():
            process.kill()
    median = {side: statistics.median(values) for side, values in seconds.items()}
    speed = {side: facts[side]["audio"] / median[side] for side in sides}
    return {**{side: round(value, 2) for side, value in speed.items()},
            "ratio": round(speed["ours"] / speed["peer"], 3),
            **{f"{side}_step_ms": 1000 * median[side] for side in sides},
            **{f"{side}_parameters": facts[side]["parameters"] for side in sides}}


def environment(case: str, side: str) -> dict[str, str]:
    """Return the environment of one side: the recipes' memory settings for ours."""
    settings = re.findall(r"(MALLOC_\w+_)=(\d+)", (ROOT / "egs2/TEMPLATE/asr1/path.sh").read_text())
    plain = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    return {**plain, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", **(dict(settings) if side == "ours" else {})}


def answer(process: subprocess.Popen[str]) -> str:
    """Return the next line that a side writes for us."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("> "):
            return line[2:]
    raise SystemExit("a side of the benchmark ended; its message stands above")


def serve(case: str, side: str, size: str) -> None:
    """Be one side: say what is trained, then take a step for each line read and say how long it took."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = make(case, side, size).to(device).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    count, (shortest, longest) = BATCH[size]
    frames = torch.linspace(longest, shortest, count).long()  # ESPnet packs the longest first
    words = frames // 16  # about six pieces a second
    speech = torch.randn(count, longest, 80, device=device)
    text = torch.randint(2, PIECES, (count, int(words.max())), device=device)
    text[torch.arange(text.size(1), device=device) >= words.to(device)[:, None]] = -1
    audio = float(frames.sum()) / FRAMES_A_SECOND
    print("> " + json.dumps({"audio": audio, "parameters": sum(p.numel() for p in model.parameters())}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        optimiser.zero_grad()
        loss, _, _ = model(speech, frames.to(device), text.clone(), words.to(device))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        if device == "cuda":
            torch.cuda.synchronize()
        print(f"> {time.perf_counter() - start}", flush=True)


def make(case: str, side: str, size: str) -> Any:
    """Build one side's model."""
    import torch

    from stxfer.model.build import build_model

    model = build_model("asr", {
        "token_list": ["<blank>", "<unk>", *(f"p{i}" for i in range(PIECES)), "<sos/eos>"], "input_size": 80,
        "frontend": None, "normalize": None, "init": "xavier_uniform", **architecture(case, side, size),
        "model_conf": {"ctc_weight": 0.3, "report_cer": False, "report_wer": False}})
    if side == "peer" and case != "transformer_memory":
        use_torch_dropout(model, torch.nn.Dropout)
    return model


def architecture(case: str, side: str, size: str) -> dict[str, Any]:
    """Return encoder and decoder of a side, in the experiment file's words."""
    hidden, layers, decoder, decoder_layers = RECURRENT[size]
    dimension, blocks, decoder_blocks, linear = ATTENTION[size]
    if case.startswith("berard"):
        if side == "ours":
            return {"encoder": "berard", "encoder_conf": {"hidden_size": hidden, "num_layers": layers},
                    "decoder": "berard", "decoder_conf": {"hidden_size": decoder, "num_layers": decoder_layers}}
        name = case.removeprefix("berard_vs_").removesuffix("_rnn")
        conf = {"num_layers": layers, "hidden_size": hidden, "output_size": 2 * hidden, "dropout": 0.2}
        if name == "rnn":
            conf["subsample"] = [2, 2, *[1] * (layers - 2)]
        return {"encoder": "vgg_rnn" if name == "vgg" else "rnn", "encoder_conf": conf, "decoder": "rnn",
                "decoder_conf": {"num_layers": decoder_layers, "hidden_size": decoder, "dropout": 0.2,
                                 "att_conf": {"atype": "add", "adim": 512}}}
    common = {"output_size": dimension, "attention_heads": 4, "linear_units": linear, "num_blocks": blocks,
              "input_layer": "conv2d"}
    if case == "conformer":
        common |= {"rel_pos_type": "latest", "pos_enc_layer_type": "rel_pos", "macaron_style": True,
                   "selfattention_layer_type": "rel_selfattn", "use_cnn_module": True, "cnn_module_kernel": 15}
    return {"encoder": case.partition("_")[0], "encoder_conf": common, "decoder": "transformer",
            "decoder_conf": {"attention_heads": 4, "linear_units": linear, "num_blocks": decoder_blocks}}


def use_torch_dropout(module: Any, dropout: Any) -> None:
    """Give the peer PyTorch's own dropout back."""
    from stxfer.model.dropout import ByteDropout

    for name, child in module.named_children():
        if isinstance(child, ByteDropout):
            setattr(module, name, dropout(child.p))
        else:
            use_torch_dropout(child, dropout)


if __name__ == "__main__":
    main()
