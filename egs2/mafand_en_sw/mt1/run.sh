#!/usr/bin/env bash
# Machine translation alone, English to Swahili: what the number of sentence pairs, cleaning them, and filtering the
# translations change. Presets: cpu (the results in README.md) and tiny (a check; its results mean nothing).
# shellcheck disable=SC2154  # 'option NAME DEFAULT' assigns the options
set -euo pipefail

recipe=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")") # of the file itself, if this is a link
# shellcheck source=utils/parse_options.sh
. "$recipe"/../../../utils/parse_options.sh
path_option mafand_en_sw "${MAFAND_EN_SW:-}" "bitext {train,dev,test}.{en,sw}, or set MAFAND_EN_SW"
option preset cpu "conf/<preset>.yaml, and conf/<preset>_raw.yaml for the text that is not cleaned"
path_option workdir "$recipe" "where data, dump and exp are"
option nj 2 "translators trained side by side, one thread each"
option force false "do it again even if it is finished"
usage="usage: $0 [--option value ...]"
parse_options "$@"
[[ -n $mafand_en_sw ]] || die "no corpus: give --mafand-en-sw DIR, or set MAFAND_EN_SW; see README.md"
[[ -e $recipe/conf/$preset.yaml ]] || die -2 "--preset $preset: no such preset; there are cpu and tiny"

# shellcheck source=egs2/TEMPLATE/asr1/path.sh
. "$recipe"/../../TEMPLATE/asr1/path.sh
mkdir -p "$workdir"
cd "$workdir"
flags=()
[[ $force == false ]] || flags+=(--force)
stxfer() { "$STXFER_PYTHON" -m stxfer.bin."$1" "${@:2}" "${flags[@]}"; }

stxfer prepare_bitext --corpus "$mafand_en_sw" --source-lang en --target-lang sw --out data/bitext
for kind in clean raw; do
    config=(--config "$recipe/conf/${preset}_$kind.yaml")
    [[ $kind == raw ]] || config=(--config "$recipe/conf/$preset.yaml")
    models=("${config[@]}" --dump "dump/$kind" --exp "exp/$kind" --nj "$nj")
    stxfer clean_bitext "${config[@]}" --data data/bitext --out "dump/$kind/data/bitext"
    stxfer train_mt "${models[@]}"
    stxfer score_mt "${models[@]}"
done
