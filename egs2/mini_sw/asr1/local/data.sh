#!/usr/bin/env bash
# Stage 1 of mini_sw: sentences from the grammar, spoken by the synthesiser.
# shellcheck disable=SC2154  # 'option NAME DEFAULT' assigns the options
set -euo pipefail

template=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../../TEMPLATE/asr1" && pwd)
# shellcheck source=utils/parse_options.sh
. "$template"/../../../utils/parse_options.sh
# shellcheck source=egs2/TEMPLATE/asr1/corpora.sh
. "$template"/corpora.sh

stxfer prepare_synthetic --config "$config" --out "$data" --nj "$nj"
