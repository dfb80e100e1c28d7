#!/usr/bin/env bash
# English to Turkish, both of Common Voice, with CoVoST 2's human translations of the English transcripts.
# Presets: cpu (hours on two cores), paper (all of CoVoST 2, a GPU) and tiny (a check that every stage works); with
# --bitext also cpu_mt and paper_mt, which add the labels of a translator. The corpora and where to get them: README.md.
# shellcheck disable=SC2034  # the driver reads these variables
set -euo pipefail

recipe=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")") # of the file itself, if this is a link
preset=cpu
# shellcheck source=utils/parse_options.sh
. "$recipe"/../../../utils/parse_options.sh
path_option common_voice_en "${COMMON_VOICE_EN:-}" "English Common Voice, release 4, or set COMMON_VOICE_EN"
path_option covost "${COVOST:-}" "CoVoST 2: covost_v2.en_tr.tsv or its folder, or set COVOST"
path_option common_voice_tr "${COMMON_VOICE_TR:-}" "Turkish Common Voice, any release, or set COMMON_VOICE_TR"
path_option bitext "${BITEXT_EN_TR:-}" "English-Turkish text to train a translator on (folder, .tsv, .tmx), or set BITEXT_EN_TR"
option train_from "" "make the target's training set from this table (validated), not from train.tsv"
option max_drop 0.05 "share of a set's clips that may be left out before it is an error"
# shellcheck source=egs2/TEMPLATE/asr1/stxfer.sh
. "$recipe"/../../TEMPLATE/asr1/stxfer.sh
