"""On ``PYTHONPATH``: processes of stock ESPnet start in 4 s in place of 13, without what no test of them uses."""

import sys

if any(word.startswith("espnet2.bin.asr_") for word in sys.orig_argv):
    from stxfer.model.espnet_patches import fast_imports

    with fast_imports():
        import espnet2.tasks.asr  # noqa: F401
