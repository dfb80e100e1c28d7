#!/usr/bin/env bash
# Real Swahili: 2.2 h of one speaker reading the news, with a bitext of English-Swahili news.
# Presets: cpu (about an hour on two cores), whisper (features of a pretrained encoder) and gpu. The corpora and where
# to get them: README.md.
# shellcheck source=egs2/TEMPLATE/asr1/recipe.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../TEMPLATE/asr1/recipe.sh
