"""Stage 4: convert a pretrained translator (OPUS-MT, M2M-100, NLLB-200, MADLAD-400) for CTranslate2."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import make_parser, run
from stxfer.mt.translators.convert import QUANTIZATIONS, convert_model


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments and convert."""
    parser = make_parser("convert_mt", "Convert a pretrained translator in the hub's layout (Marian/OPUS-MT, M2M-100, "
                         "NLLB-200, T5/MADLAD-400) to CTranslate2's, for a label source 'ctranslate2'. "
                         "The model must be on this machine: nothing is downloaded.")
    parser.add_argument("--model", type=Path, required=True, help="directory with config.json, weights and tokenizer")
    parser.add_argument("--out", type=Path, required=True, help="directory to write")
    parser.add_argument("--quantization", choices=QUANTIZATIONS, default="float32", help="how weights are stored")
    parser.add_argument("--force", action="store_true", help="convert again, or replace what --out holds")
    args = parser.parse_args(argv)
    info = convert_model(args.model, args.out, args.quantization, force=args.force)
    known = info["languages"]
    print(f"{args.out}: {info['family']}, {info['quantization']}"
          + (f", {len(known)} languages: {' '.join(known[:8])}{' ...' * (len(known) > 8)}" if known else ""))


if __name__ == "__main__":
    run(main)
