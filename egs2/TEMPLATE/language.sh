# shellcheck shell=bash
# The table of languages, for recipes of many languages; source it after utils/parse_options.sh.

languages=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/languages.tsv

# language CODE VARIABLE[=COLUMN]...: set variables to what the table has of a language, '-' where it has none
language() {
    local line fields columns variable i
    IFS=$'\t' read -ra columns < <(grep '^code' "$languages")
    line=$(awk -F '\t' -v code="$1" '$1 == code && code != "code"' "$languages")
    [[ -n $line ]] || die -2 "$1: no such language; $languages has $(codes name)"
    IFS=$'\t' read -ra fields <<<"$line"
    for variable in "${@:2}"; do
        for i in "${!columns[@]}"; do
            [[ ${columns[i]} != "${variable#*=}" ]] || printf -v "${variable%%=*}" %s "${fields[i]}"
        done
    done
}

codes() { # codes COLUMN: the languages that have something in a column of the table
    awk -F '\t' -v wanted="$1" '
        /^#/ { next }
        !column { for (i = 1; i <= NF; i++) if ($i == wanted) column = i; next }
        $column != "-" { printf "%s%s", (n++ ? " " : ""), $1 }' "$languages"
}

yaml_string() { printf "'%s'" "${1//\'/\'\'}"; } # yaml_string TEXT: the text, quoted for a YAML file
