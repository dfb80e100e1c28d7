#!/usr/bin/env bash
# English to Ganda, both of Common Voice; nobody has translated this English, a translator does.
target="lg"
# shellcheck source=egs2/TEMPLATE/common_voice/recipe.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../TEMPLATE/common_voice/recipe.sh
