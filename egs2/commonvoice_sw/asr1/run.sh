#!/usr/bin/env bash
# English to Swahili, both of Common Voice. Nobody has translated these English transcripts into Swahili: the labels
# of speech translation come from a translator trained on a bitext.
# Presets: cpu (hours on two cores), gpu and tiny (a check that every stage works). The corpora: README.md.
# shellcheck disable=SC2034  # the driver reads these variables
set -euo pipefail

recipe=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")") # of the file itself, if this is a link
preset=cpu
# shellcheck source=utils/parse_options.sh
. "$recipe"/../../../utils/parse_options.sh
path_option common_voice_en "${COMMON_VOICE_EN:-}" "English Common Voice, any release, or set COMMON_VOICE_EN"
path_option common_voice_sw "${COMMON_VOICE_SW:-}" "Swahili Common Voice, any release, or set COMMON_VOICE_SW"
path_option bitext "${MAFAND_EN_SW:-}" "English-Swahili text to train a translator on (folder, .tsv, .tmx), or set MAFAND_EN_SW"
option train_from "" "make the target's training set from this table (validated), not from train.tsv"
option max_drop 0.05 "share of a set's clips that may be left out before it is an error"
# shellcheck source=egs2/TEMPLATE/asr1/stxfer.sh
. "$recipe"/../../TEMPLATE/asr1/stxfer.sh
