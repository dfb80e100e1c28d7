#!/usr/bin/env bash
# English to Basque, both of Common Voice; nobody has translated this English, a translator does.
export target="eu"
# shellcheck source=/dev/null  # checked by itself
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../TEMPLATE/common_voice/recipe.sh
