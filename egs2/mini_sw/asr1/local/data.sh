#!/usr/bin/env bash
# Stage 1 of mini_sw: sentences from the grammar, spoken by the synthesiser.
# shellcheck disable=SC2154  # 'option NAME DEFAULT' assigns the options
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
template=$here/../../../TEMPLATE/asr1
# shellcheck source=utils/parse_options.sh
. "$template"/../../../utils/parse_options.sh
path_option config "" "experiment file; its 'data' section says how much to make"
option data data "directory to fill"
option nj 2 "parallel jobs"
option force false "make it again"
usage="usage: $0 --config FILE [--option value ...]"
parse_options "$@"
[[ -n $config ]] || die -2 "--config is needed"
# shellcheck source=egs2/TEMPLATE/asr1/path.sh
. "$template"/path.sh

flags=()
[[ $force == false ]] || flags+=(--force)
exec "$STXFER_PYTHON" -m stxfer.bin.prepare_synthetic --config "$config" --out "$data" --nj "$nj" "${flags[@]}"
