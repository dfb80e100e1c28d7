#!/usr/bin/env bash
# Run the tests; what is given is passed on to pytest: tools/test.sh -k driver, tools/test.sh tests/test_score.py
# Makes the environment first if it is not there.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=egs2/TEMPLATE/asr1/path.sh
. "$root"/egs2/TEMPLATE/asr1/path.sh
cd "$root"
exec "$STXFER_PYTHON" -m pytest --durations=10 "$@"
