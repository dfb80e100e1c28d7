#!/usr/bin/env bash
# Stage 1 of commonvoice_tr: English speech with its Turkish translations, Turkish speech, and a bitext if given.
# shellcheck disable=SC2154  # 'option NAME DEFAULT' assigns the options
set -euo pipefail

template=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../../TEMPLATE/asr1" && pwd)
# shellcheck source=utils/parse_options.sh
. "$template"/../../../utils/parse_options.sh
path_option common_voice_en "${COMMON_VOICE_EN:-}" "English Common Voice, release 4, or set COMMON_VOICE_EN"
path_option covost "${COVOST:-}" "CoVoST 2: covost_v2.en_tr.tsv or its folder, or set COVOST"
path_option common_voice_tr "${COMMON_VOICE_TR:-}" "Turkish Common Voice, any release, or set COMMON_VOICE_TR"
path_option bitext "${BITEXT_EN_TR:-}" "English-Turkish text to train a translator on (folder, .tsv, .tmx), or set BITEXT_EN_TR"
option train_from "" "make the target's training set from this table (validated), not from train.tsv"
option max_drop 0.05 "share of a set's clips that may be left out before it is an error"
# shellcheck source=egs2/TEMPLATE/asr1/corpora.sh
. "$template"/corpora.sh

need "--common-voice-en (or COMMON_VOICE_EN)" "$common_voice_en"
need "--covost (or COVOST)" "$covost"
need "--common-voice-tr (or COMMON_VOICE_TR)" "$common_voice_tr"
[[ -z $bitext && $config != *_mt.yaml ]] || need "--bitext (or BITEXT_EN_TR)" "$bitext"

whole=(--out "$data"/whole --max-drop "$max_drop" --nj "$nj")
stxfer prepare_covost2 --corpus "$common_voice_en" --covost "$covost" --pair en_tr --prefix src "${whole[@]}"
stxfer prepare_common_voice --corpus "$common_voice_tr" --prefix tgt "${whole[@]}" \
    ${train_from:+--train-from "$train_from"}
stxfer take_sets --config "$config" --whole "$data"/whole --out "$data"
[[ -z $bitext ]] || stxfer prepare_bitext --corpus "$bitext" --source-lang en --target-lang tr --out "$data"/bitext
