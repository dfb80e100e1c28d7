#!/usr/bin/env bash
# English to Ganda, both of Common Voice; nobody has translated this English, a translator does.
export target="lg"
# shellcheck source=/dev/null  # checked by itself
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../TEMPLATE/common_voice/recipe.sh
