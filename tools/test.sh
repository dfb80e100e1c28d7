#!/usr/bin/env bash
# Run the tests in two processes; what is given is passed on to pytest:
#
#   tools/test.sh                            all of them
#   tools/test.sh tests/test_score.py        of one file
#   tools/test.sh -n 0 -k driver --pdb       in this process; -n 8 in eight
#
# Makes the environment first if it is not there. A file's tests run in one process, in their order: they share
# what its fixtures make. The longest files come first (tests/conftest.py).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=egs2/TEMPLATE/asr1/path.sh
. "$root"/egs2/TEMPLATE/asr1/path.sh
cd "$root"
exec "$STXFER_PYTHON" -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=10 "$@"
