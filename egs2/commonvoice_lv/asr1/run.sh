#!/usr/bin/env bash
# English to Latvian, both of Common Voice; the translations are CoVoST 2's.
export target="lv"
# shellcheck source=/dev/null  # checked by itself
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../TEMPLATE/common_voice/recipe.sh
