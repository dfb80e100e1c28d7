#!/usr/bin/env bash
# English to Turkish, both of Common Voice; the translations are CoVoST 2's.
target="tr"
# shellcheck source=egs2/TEMPLATE/common_voice/recipe.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../TEMPLATE/common_voice/recipe.sh
