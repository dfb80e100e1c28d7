"""Time one training step of the recipes' model and of ESPnet's, on one thread, in turn.

    tools/venv/bin/python tools/bench/train_step.py

Cases: ``dropout``, this project's dropout against PyTorch's, forward and backward; ``encoder``, an optimiser
step with this project's Conformer behind its light subsampling against ESPnet's own Conformer (``conv2d``
subsampling) of the same width, depth and decoder. The last line is JSON: milliseconds, and ours / peer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from stxfer.model.build import build_model
from stxfer.model.dropout import ByteDropout

TOKENS = ["<blank>", "<unk>", *(f"p{i}" for i in range(198)), "<sos/eos>"]


def main() -> None:
    """Run the cases and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="times each side is timed, in turn")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    results = {}
    for name, (ours, peer) in {"dropout": dropout(), "encoder": encoder()}.items():
        results[name] = compare(ours, peer, args.rounds)
        row = results[name]
        print(f"{name:10} ours {row['ours']:9.2f} ms   peer {row['peer']:9.2f} ms   ratio {row['ratio']:.2f}")
    print(json.dumps(results))


def compare(ours: Callable[[], None], peer: Callable[[], None], rounds: int) -> dict[str, float]:
    """Time two functions in turn; return the medians in milliseconds and their ratio."""
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    for number in range(rounds + 1):
        for side, function in (("ours", ours), ("peer", peer)):
            start = time.perf_counter()
            function()
            if number:  # the first round warms up
                times[side].append(1000 * (time.perf_counter() - start))
    medians = {side: round(statistics.median(values), 3) for side, values in times.items()}
    return {**medians, "ratio": round(medians["ours"] / medians["peer"], 3)}


def dropout() -> tuple[Callable[[], None], Callable[[], None]]:
    """Return both dropouts over (24, 250, 128), forward and backward."""
    x, gradient = torch.randn(24, 250, 128, requires_grad=True), torch.randn(24, 250, 128)

    def run(module: torch.nn.Module) -> Callable[[], None]:
        return lambda: module(x).backward(gradient)

    return run(ByteDropout(0.1)), run(torch.nn.Dropout(0.1))


def encoder() -> tuple[Callable[[], None], Callable[[], None]]:
    """Return a step of both models on 24 utterances of 2.5 s with 15 tokens each."""
    common = {"output_size": 128, "attention_heads": 4, "linear_units": 256, "num_blocks": 4,
              "cnn_module_kernel": 15, "macaron_style": True, "use_cnn_module": True}
    return (step("s2t_conformer", {**common, "conv_layers": 3, "conv_channels": 192}),
            step("conformer", {**common, "input_layer": "conv2d", "rel_pos_type": "latest",
                               "pos_enc_layer_type": "rel_pos", "selfattention_layer_type": "rel_selfattn"}))


def step(name: str, conf: dict[str, Any]) -> Callable[[], None]:
    """Return an optimiser step of a model with this encoder."""
    model = build_model("asr", {
        "token_list": TOKENS, "input_size": 80, "frontend": None, "normalize": None, "encoder": name,
        "encoder_conf": conf, "decoder": "transformer",
        "decoder_conf": {"attention_heads": 4, "linear_units": 512, "num_blocks": 2},
        "model_conf": {"ctc_weight": 0.3, "report_cer": False, "report_wer": False}})
    if name == "conformer":
        use_torch_dropout(model)
    optimiser = torch.optim.AdamW(model.parameters())
    speech, text = torch.randn(24, 250, 80), torch.randint(2, 199, (24, 15))

    def run() -> None:
        optimiser.zero_grad()
        loss, _, _ = model(speech, torch.full((24,), 250), text.clone(), torch.full((24,), 15))
        loss.backward()
        optimiser.step()

    return run


def use_torch_dropout(module: torch.nn.Module) -> None:
    """Give the peer PyTorch's own dropout back."""
    for name, child in module.named_children():
        if isinstance(child, ByteDropout):
            setattr(module, name, torch.nn.Dropout(child.p))
        else:
            use_torch_dropout(child)


if __name__ == "__main__":
    main()
