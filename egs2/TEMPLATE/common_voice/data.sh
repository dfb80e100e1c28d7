#!/usr/bin/env bash
# Stage 1 of every recipe of this family: English speech, with CoVoST 2's translations for human labels, the target's
# speech, and the bitext for a translator trained here.
# shellcheck disable=SC2154  # 'option NAME DEFAULT' assigns the options
set -euo pipefail

template=$(cd "$(dirname "${BASH_SOURCE[0]}")/../asr1" && pwd)
# shellcheck source=utils/parse_options.sh
. "$template"/../../../utils/parse_options.sh
# shellcheck source=egs2/TEMPLATE/common_voice/options.sh
. "$(dirname "${BASH_SOURCE[0]}")"/options.sh
# shellcheck source=egs2/TEMPLATE/asr1/corpora.sh
. "$template"/corpora.sh

human=false trained=false
[[ $labels != *human* ]] || human=true
[[ $labels != *bitext* ]] || trained=true
need "--common-voice-en (or COMMON_VOICE_EN)" "$common_voice_en"
! $human || need "--covost (or COVOST)" "$covost"
need "--${own//_/-} (or $variable)" "${!own}"
! $trained || need_text en "--bitext (or BITEXT_EN_${target^^})" "$bitext"
[[ $labels != nllb && $labels != opus_mt ]] || need --translator "$translator"

whole=(--out "$data"/whole --max-drop "$max_drop" --nj "$nj")
if $human; then
    stxfer prepare_covost2 --corpus "$common_voice_en" --covost "$covost" --pair "$pair" --prefix src "${whole[@]}"
else
    stxfer prepare_common_voice --corpus "$common_voice_en" --prefix src "${whole[@]}"
fi
stxfer prepare_common_voice --corpus "${!own}" --prefix tgt "${whole[@]}" ${train_from:+--train-from "$train_from"}
stxfer take_sets --config "$config" --whole "$data"/whole --out "$data"
! $trained || stxfer prepare_bitext --corpus "$bitext" --source-lang en --target-lang "$target" --out "$data"/bitext
