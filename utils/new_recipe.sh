#!/usr/bin/env bash
# A recipe of your own corpora: utils/new_recipe.sh NAME --source es --target qu --speech TABLE_OR_DIR --bitext DIR
set -euo pipefail
# shellcheck source=egs2/TEMPLATE/asr1/path.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../egs2/TEMPLATE/asr1/path.sh
exec "$STXFER_PYTHON" -m stxfer.bin.new_recipe "$@"
