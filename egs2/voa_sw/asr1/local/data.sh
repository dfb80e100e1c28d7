#!/usr/bin/env bash
# Stage 1 of voa_sw: Swahili speech, the bitext, and English speech, real or spoken by the synthesiser.
# shellcheck disable=SC2154  # 'option NAME DEFAULT' assigns the options
# shellcheck source=egs2/TEMPLATE/asr1/data.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../../TEMPLATE/asr1/data.sh

need "--voa-sw (or VOA_SW)" "$voa_sw"
need "--mafand-en-sw (or MAFAND_EN_SW)" "$mafand_en_sw"
[[ -z $source_corpus ]] || need --source-corpus "$source_corpus"

stxfer prepare_common_voice --corpus "$voa_sw" --prefix tgt --out "$data"
for hours in $parts; do # a part within the next; and what it leaves, as if it had no transcripts
    part=${hours/./_}h
    "$STXFER_PYTHON" -m stxfer.bin.datadir subset --hours "$hours" --out "$data"/tgt_train_"$part" \
        --rest "$data"/tgt_train_rest_"$part" "$data"/tgt_train
done
prefix=src
if [[ -n $source_corpus ]]; then
    stxfer prepare_common_voice --corpus "$source_corpus" --prefix src --test-from dev --out "$data"
    prefix=src_tts # synthetic speech with human translations stands beside the real speech
fi
# speaks some of the pairs; which are in data/bitext for the translator is the configuration's word
stxfer speak_bitext --config "$config" --bitext "$mafand_en_sw" --prefix "$prefix" --out "$data" --nj "$nj"
