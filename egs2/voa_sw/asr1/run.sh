#!/usr/bin/env bash
# Real Swahili: 2.2 h of one speaker reading the news, with a bitext of English-Swahili news.
# Presets: cpu (about an hour on two cores), whisper (features of a pretrained encoder) and gpu. The corpora and where
# to get them: README.md.
# shellcheck disable=SC2034  # the driver reads these variables
set -euo pipefail

recipe=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")") # of the file itself, if this is a link
preset=cpu
# shellcheck source=utils/parse_options.sh
. "$recipe"/../../../utils/parse_options.sh
path_option voa_sw "${VOA_SW:-}" "Swahili speech in Common Voice's form, or set VOA_SW"
path_option mafand_en_sw "${MAFAND_EN_SW:-}" "bitext {train,dev,test}.{en,sw}, or set MAFAND_EN_SW"
path_option source_corpus "" "English speech in Common Voice's form; empty: the bitext's English is synthesised"
option parts "0.25 0.5" "hours of Swahili training speech to make parts of, for curves: tgt_train_0_25h and so on"
# shellcheck source=egs2/TEMPLATE/asr1/stxfer.sh
. "$recipe"/../../TEMPLATE/asr1/stxfer.sh
