# shellcheck shell=bash
# What run.sh and data.sh both declare.
# shellcheck source=egs2/TEMPLATE/language.sh
. "$(dirname "${BASH_SOURCE[0]}")"/../../../TEMPLATE/language.sh
path_option fleurs "${FLEURS:-}" "folder of FLEURS's languages, en_us, sw_ke and so on, or set FLEURS"
option target "" "language to recognise, by its code; needed"
option source en "language that helps, by its code"
option max_drop 0.5 "share of the source's recordings that may lack a translation before it is an error"
