#!/usr/bin/env bash
# Stage 1 of voa_sw: Swahili speech, the bitext, and English speech, real or spoken by the synthesiser.
# shellcheck disable=SC2154  # 'option NAME DEFAULT' assigns the options
set -euo pipefail

template=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../../TEMPLATE/asr1" && pwd)
# shellcheck source=utils/parse_options.sh
. "$template"/../../../utils/parse_options.sh
path_option voa_sw "${VOA_SW:-}" "Swahili speech in Common Voice's form, or set VOA_SW"
path_option mafand_en_sw "${MAFAND_EN_SW:-}" "bitext {train,dev,test}.{en,sw}, or set MAFAND_EN_SW"
path_option source_corpus "" "English speech in Common Voice's form; empty: the bitext's English is synthesised"
option parts "0.25 0.5" "hours of Swahili training speech to make parts of, for curves: tgt_train_0_25h and so on"
# shellcheck source=egs2/TEMPLATE/asr1/corpora.sh
. "$template"/corpora.sh

need "--voa-sw (or VOA_SW)" "$voa_sw"
need "--mafand-en-sw (or MAFAND_EN_SW)" "$mafand_en_sw"
[[ -z $source_corpus ]] || need --source-corpus "$source_corpus"

stxfer prepare_common_voice --corpus "$voa_sw" --prefix tgt --out "$data"
for hours in $parts; do # a part within the next
    "$STXFER_PYTHON" -m stxfer.bin.datadir subset --hours "$hours" --out "$data"/tgt_train_"${hours/./_}"h "$data"/tgt_train
done
prefix=src
if [[ -n $source_corpus ]]; then
    stxfer prepare_common_voice --corpus "$source_corpus" --prefix src --test-from dev --out "$data"
    prefix=src_tts # synthetic speech with human translations stands beside the real speech
fi
# speaks some of the pairs; which are in data/bitext for the translator is the configuration's word
stxfer speak_bitext --config "$config" --bitext "$mafand_en_sw" --prefix "$prefix" --out "$data" --nj "$nj"
