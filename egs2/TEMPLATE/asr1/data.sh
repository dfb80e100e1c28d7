# shellcheck shell=bash
# What local/data.sh of a recipe begins with that declares its options in local/options.sh: source it with its
# arguments. See corpora.sh for what is then set and defined.
set -euo pipefail

template=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=utils/parse_options.sh
. "$template"/../../../utils/parse_options.sh
here=$(dirname "$(readlink -f "${BASH_SOURCE[1]}")")
# shellcheck disable=SC1091  # each recipe has its own: where its corpora lie on this machine, and its options
[[ ! -e $here/paths.sh ]] || . "$here"/paths.sh
# shellcheck disable=SC1091
. "$here"/options.sh
# shellcheck source=egs2/TEMPLATE/asr1/corpora.sh
. "$template"/corpora.sh
