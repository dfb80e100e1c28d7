#!/usr/bin/env bash
# English to German, both of Common Voice; the translations are CoVoST 2's.
export target="de"
# shellcheck source=/dev/null  # checked by itself
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../TEMPLATE/common_voice/recipe.sh
