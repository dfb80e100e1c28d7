#!/usr/bin/env bash
# Stage 1 of fleurs: speech of both languages; the target's sentences are the source's human translations.
# shellcheck disable=SC2154  # 'option NAME DEFAULT' assigns the options, 'language' the folders
# shellcheck source=egs2/TEMPLATE/asr1/data.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../../TEMPLATE/asr1/data.sh

need "--fleurs (or FLEURS)" "$fleurs"
language "$source" rich=fleurs
language "$target" poor=fleurs
for folder in "$rich" "$poor"; do need "--fleurs (or FLEURS)" "$fleurs/$folder"; done

stxfer prepare_fleurs --corpus "$fleurs/$rich" --translations "$fleurs/$poor" --prefix src --max-drop "$max_drop" \
    --out "$data" --nj "$nj"
stxfer prepare_fleurs --corpus "$fleurs/$poor" --prefix tgt --out "$data" --nj "$nj"
