#!/usr/bin/env bash
# English to Chuvash, both of Common Voice; nobody has translated this English, a translator does.
export target="cv"
# shellcheck source=/dev/null  # checked by itself
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../TEMPLATE/common_voice/recipe.sh
