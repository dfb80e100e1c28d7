#!/usr/bin/env bash
# Mboshi (Bantu C25, Congo) with the help of French: 4.5 h of transcribed and translated speech, and nothing else.
# Presets: cpu (filterbank, two cores), whisper (features of a pretrained encoder) and tiny (a check that every stage
# works). The corpora: README.md.
# shellcheck source=egs2/TEMPLATE/asr1/recipe.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../TEMPLATE/asr1/recipe.sh
