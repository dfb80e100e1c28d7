#!/usr/bin/env bash
# English to Persian, both of Common Voice; the translations are CoVoST 2's.
export target="fa"
# shellcheck source=/dev/null  # checked by itself
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../TEMPLATE/common_voice/recipe.sh
