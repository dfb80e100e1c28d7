#!/usr/bin/env bash
# The whole run.sh of a recipe that declares its options once, in local/options.sh: source this file with its arguments.
# shellcheck disable=SC2034  # the driver reads these variables
set -euo pipefail

recipe=$(dirname "$(readlink -f "${BASH_SOURCE[1]}")") # of run.sh itself, if that is a link
# shellcheck source=utils/parse_options.sh
. "$recipe"/../../../utils/parse_options.sh
# shellcheck disable=SC1091  # each recipe has its own: where its corpora lie on this machine, and its options
[[ ! -e $recipe/local/paths.sh ]] || . "$recipe"/local/paths.sh
# shellcheck disable=SC1091
. "$recipe"/local/options.sh
# shellcheck source=egs2/TEMPLATE/asr1/stxfer.sh
. "$(dirname "${BASH_SOURCE[0]}")"/stxfer.sh
