#!/usr/bin/env bash
# English to Swahili from a grammar and a synthesiser: nothing to download, minutes on two cores.
# Presets: mini (the results in README.md) and tiny (a check that every stage works; its results mean nothing).
# shellcheck disable=SC2034  # the driver reads these variables
set -euo pipefail

recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
preset=mini
# shellcheck source=egs2/TEMPLATE/asr1/stxfer.sh
. "$recipe"/../../TEMPLATE/asr1/stxfer.sh
