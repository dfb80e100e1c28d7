"""Export a trained model as safetensors, with all that is needed to open it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stxfer.bin._cli import make_parser, run


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments and export."""
    parser = make_parser("export_model", "Write a trained model as a directory that can be moved and shared: "
                         "model.safetensors, config.yaml, its vocabulary. Systems of any experiment can start from it "
                         "(init: {model: DIR, parts: [encoder]}).")
    parser.add_argument("--model", type=Path, required=True, help="directory of a trained system, exp/<system>/seed<n>")
    parser.add_argument("--out", type=Path, required=True, help="directory to write, replaced as a whole")
    args = parser.parse_args(argv)
    from stxfer.model.export import export_model  # espnet: seconds to import

    identity = export_model(args.model, args.out)
    print(f"{args.out}: model.safetensors (sha256 {identity['sha256'][:16]}...), vocabulary {identity['vocabulary']}")


if __name__ == "__main__":
    run(main)
