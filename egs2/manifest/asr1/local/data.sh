#!/usr/bin/env bash
# Stage 1 of manifest: the target's recordings from tables, the source's speech from the bitext.
# shellcheck disable=SC2154  # 'option NAME DEFAULT' assigns the options
# shellcheck source=egs2/TEMPLATE/asr1/data.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../../TEMPLATE/asr1/data.sh

need --speech "$speech"
need --test-speech "$test_speech"
need --bitext "$bitext"

table=(--columns "$columns" --out "$data" --nj "$nj" ${audio_dir:+--audio-dir "$audio_dir"})
stxfer prepare_manifest --manifest "$speech" --set tgt_train --hold-out tgt_dev --apart "$apart" "${table[@]}"
stxfer prepare_manifest --manifest "$test_speech" --set tgt_test "${table[@]}"
stxfer speak_bitext --config "$config" --bitext "$bitext" --prefix src --out "$data" --nj "$nj"
