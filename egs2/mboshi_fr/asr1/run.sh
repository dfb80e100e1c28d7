#!/usr/bin/env bash
# Mboshi (Bantu C25, Congo) with the help of French: 4.5 h of transcribed and translated speech, and nothing else.
# Presets: cpu (filterbank, two cores), whisper (features of a pretrained encoder) and tiny (a check that every stage
# works). The corpora: README.md.
# shellcheck disable=SC2034  # the driver reads these variables
set -euo pipefail

recipe=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")") # of the file itself, if this is a link
preset=cpu
# shellcheck source=utils/parse_options.sh
. "$recipe"/../../../utils/parse_options.sh
path_option mboshi_fr "${MBOSHI_FR:-}" "Mboshi speech: train.tsv, dev.tsv and clips/, or set MBOSHI_FR"
path_option source_corpus "${FRENCH_SPEECH:-}" "French speech in Common Voice's form, or set FRENCH_SPEECH"
# shellcheck source=egs2/TEMPLATE/asr1/stxfer.sh
. "$recipe"/../../TEMPLATE/asr1/stxfer.sh
