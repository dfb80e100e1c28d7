#!/usr/bin/env bash
# Stage 1 of commonvoice_sw: English speech, Swahili speech and the bitext.
# shellcheck disable=SC2154  # 'option NAME DEFAULT' assigns the options
set -euo pipefail

template=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../../TEMPLATE/asr1" && pwd)
# shellcheck source=utils/parse_options.sh
. "$template"/../../../utils/parse_options.sh
path_option common_voice_en "${COMMON_VOICE_EN:-}" "English Common Voice, any release, or set COMMON_VOICE_EN"
path_option common_voice_sw "${COMMON_VOICE_SW:-}" "Swahili Common Voice, any release, or set COMMON_VOICE_SW"
path_option bitext "${MAFAND_EN_SW:-}" "English-Swahili text to train a translator on (folder, .tsv, .tmx), or set MAFAND_EN_SW"
option train_from "" "make the target's training set from this table (validated), not from train.tsv"
option max_drop 0.05 "share of a set's clips that may be left out before it is an error"
# shellcheck source=egs2/TEMPLATE/asr1/corpora.sh
. "$template"/corpora.sh

need "--common-voice-en (or COMMON_VOICE_EN)" "$common_voice_en"
need "--common-voice-sw (or COMMON_VOICE_SW)" "$common_voice_sw"
need "--bitext (or MAFAND_EN_SW)" "$bitext"

whole=(--out "$data"/whole --max-drop "$max_drop" --nj "$nj")
stxfer prepare_common_voice --corpus "$common_voice_en" --prefix src "${whole[@]}"
stxfer prepare_common_voice --corpus "$common_voice_sw" --prefix tgt "${whole[@]}" \
    ${train_from:+--train-from "$train_from"}
stxfer take_sets --config "$config" --whole "$data"/whole --out "$data"
stxfer prepare_bitext --corpus "$bitext" --source-lang en --target-lang sw --out "$data"/bitext
