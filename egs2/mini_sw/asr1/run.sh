#!/usr/bin/env bash
# English to Swahili from a grammar and a synthesiser: nothing to download, minutes on two cores.
# Presets: mini; baselines, long and berard, which README.md explains; tiny and tiny_baselines, checks that every stage
# and every system works (their results mean nothing).
# shellcheck source=egs2/TEMPLATE/asr1/recipe.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../TEMPLATE/asr1/recipe.sh
