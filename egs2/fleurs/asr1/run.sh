#!/usr/bin/env bash
# Any of FLEURS's 102 languages with the help of another one: about ten hours of each, and the same sentences in both, so
# that there are human translations. Presets: cpu, gpu and tiny (a check that every stage works). README.md has the rest.
# shellcheck disable=SC2034,SC2154  # the driver reads $preset and assigns the options
preset=cpu

options_given() {
    local side folder
    [[ -n $target ]] || die -2 "--target is needed, the code of the language to recognise: $(codes fleurs)"
    for side in source target; do
        language "${!side}" folder=fleurs
        [[ $folder != - ]] || die -2 "--$side ${!side}: FLEURS does not have it; it has $(codes fleurs)"
    done
    [[ $workdir != "$recipe" ]] || workdir=$recipe/languages/$target # each language has its own
}

experiment() {
    printf '# %s of fleurs, %s to %s\ninclude: [%s]\n' "$preset" "$source" "$target" "$(yaml_string "$recipe/conf/$preset.yaml")"
    printf 'name: fleurs_%s_%s\nlanguages: {source: "%s", target: "%s"}\n' "$target" "$preset" "$source" "$target"
}
# shellcheck source=egs2/TEMPLATE/asr1/recipe.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../TEMPLATE/asr1/recipe.sh
