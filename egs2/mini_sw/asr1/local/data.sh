#!/usr/bin/env bash
# Stage 1 of mini_sw: sentences from the grammar, spoken by the synthesiser.
# shellcheck disable=SC2154  # 'option NAME DEFAULT' assigns the options
# shellcheck source=egs2/TEMPLATE/asr1/data.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../../TEMPLATE/asr1/data.sh

stxfer prepare_synthetic --config "$config" --out "$data" --nj "$nj"
