#!/usr/bin/env bash
# Recordings in a table of your own and a bitext, nothing else: the language that helps is spoken by the synthesiser.
# Presets: cpu and tiny (a check that every stage works). README.md has the rest.
# shellcheck disable=SC2034,SC2154  # the driver reads $preset and assigns the options
preset=cpu

options_given() {
    local code='^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$' # what experiment files take
    [[ $target =~ $code && $source =~ $code ]] ||
        die -2 "--target '$target' and --source '$source' have to be codes of languages such as sw"
    [[ $workdir != "$recipe" ]] || workdir=$recipe/languages/$target # each language has its own
}

experiment() {
    printf '# %s of manifest, %s to %s\ninclude: [%s]\n' "$preset" "$source" "$target" \
        "$(yaml_string "$recipe/conf/$preset.yaml")"
    printf 'name: manifest_%s_%s\nlanguages: {source: "%s", target: "%s"}\n' "$target" "$preset" "$source" "$target"
}
# shellcheck source=egs2/TEMPLATE/asr1/recipe.sh
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"/../../TEMPLATE/asr1/recipe.sh
