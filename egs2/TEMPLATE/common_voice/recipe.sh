# shellcheck shell=bash
# run.sh of every recipe of this family, which exports $target, the code of its language, and sources this file.
# shellcheck disable=SC2034,SC2154  # the driver reads these variables, 'option' and 'language' assign others
set -euo pipefail

recipe=$(dirname "$(readlink -f "${BASH_SOURCE[1]}")") # of the recipe's run.sh itself, if that is a link
preset=cpu
# shellcheck source=utils/parse_options.sh
. "$recipe"/../../../utils/parse_options.sh
# shellcheck source=egs2/TEMPLATE/common_voice/options.sh
. "$(dirname "${BASH_SOURCE[0]}")"/options.sh
data_script=$family/data.sh presets=$family/conf

options_given() {
    [[ $labels =~ ^[a-z0-9_]+$ && -e $presets/labels/$labels.yaml ]] ||
        die -2 "--labels $labels: no such labels; there are$(
            for file in "$presets"/labels/*.yaml; do printf ' %s' "$(basename "$file" .yaml)"; done)"
    [[ $labels != *human* || $pair != - ]] || die -2 "--labels $labels: CoVoST 2 has no English-$name; see README.md"
    [[ $labels != nllb || $nllb != - ]] || die -2 "--labels nllb: NLLB-200 has no $name; see README.md"
    [[ -n $translator || $labels != nllb && $labels != opus_mt ]] || die "no model: give --translator DIR, see README.md"
}

experiment() { # what the preset says, then what the labels need, then what the language needs
    printf '# %s of commonvoice_%s with labels %s\n' "$preset" "$target" "$labels"
    printf 'include: [%s, %s, %s]\n' "$(yaml_string "$presets/$preset.yaml")" \
        "$(yaml_string "$presets/labels/$labels.yaml")" "$(yaml_string "$recipe/conf/language.yaml")"
    printf 'name: commonvoice_%s_%s_%s\n' "$target" "$preset" "$labels"
    case $labels in
        nllb) printf 'labels: {nllb: {model: %s, target: %s}}\n' "$(yaml_string "$translator")" "$nllb" ;;
        opus_mt) printf 'labels: {opus_mt: {model: %s}}\n' "$(yaml_string "$translator")" ;;
    esac
}
# shellcheck source=egs2/TEMPLATE/asr1/stxfer.sh
. "$family"/../asr1/stxfer.sh
