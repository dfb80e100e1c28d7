#!/usr/bin/env bash
# Stage 1 of voa_sw: Swahili speech, the bitext, and English speech, real or spoken by the synthesiser.
# shellcheck disable=SC2154  # 'option NAME DEFAULT' assigns the options
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
template=$here/../../../TEMPLATE/asr1
# shellcheck source=utils/parse_options.sh
. "$template"/../../../utils/parse_options.sh
path_option config "" "experiment file; its 'data' section says how much to use"
option data data "directory to fill"
path_option voa_sw "${VOA_SW:-}" "Swahili speech in Common Voice's form, or set VOA_SW"
path_option mafand_en_sw "${MAFAND_EN_SW:-}" "bitext {train,dev,test}.{en,sw}, or set MAFAND_EN_SW"
path_option source_corpus "" "English speech in Common Voice's form; empty: the bitext's English is synthesised"
option nj 2 "parallel jobs"
option force false "do it again"
usage="usage: $0 --config FILE [--option value ...]"
parse_options "$@"
[[ -n $config ]] || die -2 "--config is needed"

need() { # need OPTION DIRECTORY FILE...: the corpus is there, or say how to name it
    local option=$1 directory=$2 file
    [[ -n $directory ]] || die "no corpus: give $option DIR, see README.md"
    for file in "${@:3}"; do [[ -e $directory/$file ]] || die "$option: $directory/$file: no such file"; done
}
need "--voa-sw (or VOA_SW)" "$voa_sw" train.tsv dev.tsv test.tsv clips
need "--mafand-en-sw (or MAFAND_EN_SW)" "$mafand_en_sw" {train,dev,test}.{en,sw}
[[ -z $source_corpus ]] || need --source-corpus "$source_corpus" train.tsv dev.tsv test.tsv clips

# shellcheck source=egs2/TEMPLATE/asr1/path.sh
. "$template"/path.sh
flags=()
[[ $force == false ]] || flags+=(--force)
stxfer() { "$STXFER_PYTHON" -m stxfer.bin."$1" "${@:2}" "${flags[@]}"; }

stxfer prepare_common_voice --corpus "$voa_sw" --prefix tgt --out "$data"
if [[ -n $source_corpus ]]; then
    stxfer prepare_common_voice --corpus "$source_corpus" --prefix src --out "$data"
    stxfer prepare_bitext --corpus "$mafand_en_sw" --source-lang en --target-lang sw --out "$data"/bitext
else # speaks some of the pairs, leaves the others in data/bitext for the translator
    stxfer speak_bitext --config "$config" --bitext "$mafand_en_sw" --out "$data" --nj "$nj"
fi
