r"""Time decoding by this project's batched search and by ESPnet's ``Speech2Text``, on one thread, in turn.

    tools/venv/bin/python tools/bench/decode.py --model egs2/mini_sw/asr1/exp/xfer_mt/seed1 \
        --feats egs2/mini_sw/asr1/dump/fbank/tgt_test/feats.scp

Cases: ``joint``, CTC weight 0.5; ``attention``, CTC weight 0; with ``--lm``, of a trained language model
(``exp/lm/<name>``), ``joint+lm``, CTC weight 0.5 and shallow fusion. Both decode the same utterances with the same
beam, and the texts are compared: the last line but one says how many differ. The last line is JSON: utterances a
second, and ours / peer.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from stxfer.audio.ark import FeatureTable
from stxfer.decoding.decode import batches, decode_batch
from stxfer.experiment.training import Decoding
from stxfer.model.load import load_model


def main() -> None:
    """Run the cases and print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="directory of a trained system")
    parser.add_argument("--feats", type=Path, required=True, help="feats.scp to decode")
    parser.add_argument("--utterances", type=int, default=60, help="decode the first so many")
    parser.add_argument("--beam-size", type=int, default=5, help="beam")
    parser.add_argument("--lm", type=Path, help="directory of a language model: a third case, joint with it")
    parser.add_argument("--lm-weight", type=float, default=0.3, help="its weight")
    parser.add_argument("--length-bonus", type=float, default=0.5, help="length bonus beside it")
    args = parser.parse_args()
    torch.set_num_threads(1)
    table = FeatureTable(args.feats)
    features = {utt: np.asarray(table[utt]) for utt in list(table)[: args.utterances]}
    results, differing = {}, {}
    cases = {"joint": Decoding(beam_size=args.beam_size, ctc_weight=0.5),
             "attention": Decoding(beam_size=args.beam_size, ctc_weight=0.0)}
    if args.lm:
        cases["joint+lm"] = Decoding(beam_size=args.beam_size, ctc_weight=0.5, lm="lm", lm_weight=args.lm_weight,
                                     length_bonus=args.length_bonus)
    for name, options in cases.items():
        lm = args.lm if options.lm else None
        ours, our_speed = decode_ours(args.model, features, options, lm)
        peer, peer_speed = decode_espnet(args.model, features, options, lm)
        differing[name] = sum(ours[utt] != peer[utt] for utt in features)
        results[name] = {"ours": round(our_speed, 2), "peer": round(peer_speed, 2),
                         "ratio": round(our_speed / peer_speed, 2)}
        print(f"{name:10} ours {our_speed:7.1f} utterances/s   ESPnet {peer_speed:7.1f}   "
              f"ratio {our_speed / peer_speed:.1f}")
    print(f"texts that differ, of {len(features)}: {differing}")
    print(json.dumps(results))


def decode_ours(directory: Path, features: dict[str, np.ndarray], options: Decoding,
                lm_directory: Path | None) -> tuple[dict[str, str], float]:
    """Return the texts and the utterances a second of the batched search."""
    loaded = load_model(directory)
    lm = load_model(lm_directory).model.lm if lm_directory else None
    texts = {}
    start = time.perf_counter()
    for batch in batches({utt: len(matrix) for utt, matrix in features.items()}, options.batch_frames):
        found = decode_batch(loaded.model, {utt: features[utt] for utt in batch}, options, lm=lm)
        for utt, best in zip(batch, found, strict=True):
            texts[utt] = loaded.tokenizer.decode_pieces([loaded.tokens[i] for i in best.tokens])
    return texts, len(features) / (time.perf_counter() - start)


def decode_espnet(directory: Path, features: dict[str, np.ndarray], options: Decoding,
                  lm_directory: Path | None) -> tuple[dict[str, str], float]:
    """Return the texts and the utterances a second of ESPnet's one search an utterance."""
    import stxfer.model.build  # noqa: F401  (registers the encoders)

    from espnet2.bin.asr_inference import Speech2Text  # isort: skip

    decoder = Speech2Text(asr_train_config=str(directory / "config.yaml"), asr_model_file=str(directory / "model.pth"),
                          beam_size=options.beam_size, ctc_weight=options.ctc_weight, penalty=options.length_bonus,
                          **({"lm_train_config": str(lm_directory / "config.yaml"), "lm_weight": options.lm_weight,
                              "lm_file": str(lm_directory / "model.pth")} if lm_directory else {}))
    start = time.perf_counter()
    texts = {utt: decoder(torch.from_numpy(np.ascontiguousarray(matrix)))[0][0] for utt, matrix in features.items()}
    return texts, len(features) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
