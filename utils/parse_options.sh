# shellcheck shell=bash
# Options of the shell scripts. Source this file, declare each option once, parse:
#
#   . utils/parse_options.sh
#   option nj 2 "parallel jobs"      # sets nj=2 and declares --nj
#   parse_options "$@"               # sets nj from the command line
#
# --some-option VALUE, --some_option VALUE and --some-option=VALUE are the same. An option whose
# default is true or false takes nothing else. --help prints $usage and every option with its default.
# A mistake on the command line is one line on stderr and exit status 2.

option_names=() option_paths=""
declare -A option_default=() option_help=()

die() {  # die [-STATUS] MESSAGE: one line on stderr, exit status 1 or STATUS
    local status=1
    if [[ $1 =~ ^-[0-9]+$ ]]; then status=${1#-}; shift; fi
    echo "error: $*" >&2
    exit "$status"
}

option() {  # option NAME DEFAULT HELP; declared again, it only gets a new default
    [[ -v option_help[$1] ]] || option_names+=("$1")
    option_default[$1]=$2
    option_help[$1]=${3:-${option_help[$1]}}
    printf -v "$1" %s "$2"
}

path_option() {  # an option that names a file or directory, relative to where the command is typed
    option "$1" "$2" "$3"
    option_paths+=" $1 "
    [[ -z $2 || $2 == /* ]] || printf -v "$1" %s "$PWD/$2"
}

closest_options() {  # closest_options NAME: the declared options within a few typing errors of NAME
    printf '%s\n' "${option_names[@]}" | typed=$1 awk '
        BEGIN { a = ENVIRON["typed"] }
        function min(x, y) { return x < y ? x : y }
        {   # Levenshtein distance; a name that begins with what was typed is close too
            n = length(a); m = length($0)
            for (i = 0; i <= n; i++) d[i, 0] = i
            for (j = 0; j <= m; j++) d[0, j] = j
            for (i = 1; i <= n; i++) for (j = 1; j <= m; j++)
                d[i, j] = min(min(d[i-1, j] + 1, d[i, j-1] + 1),
                              d[i-1, j-1] + (substr(a, i, 1) != substr($0, j, 1)))
            if (index($0, a) == 1 && n > 0) d[n, m] = 0
            if (d[n, m] <= 1 + n / 4) print d[n, m], $0
        }' | sort -n | head -n 3 | while read -r _ name; do printf ' --%s' "${name//_/-}"; done
}

print_help() {
    local name
    printf '%s\n\nOptions:\n' "${usage:-usage: $0 [options]}"
    for name in "${option_names[@]}"; do
        printf '  --%-18s %s%s\n' "${name//_/-}" "${option_help[$name]}" \
            "${option_default[$name]:+ (default: ${option_default[$name]})}"
    done
}

parse_options() {  # parse_options "$@"
    local _typed _name _value _close
    while (($#)); do
        _typed=$1; shift
        case $_typed in
            -h | --help) print_help; exit 0 ;;
            --?*) ;;
            *) die -2 "unexpected argument '$_typed': options are --name value (--help lists them)" ;;
        esac
        _name=${_typed#--}; _name=${_name%%=*}; _name=${_name//-/_}
        if [[ ! $_name =~ ^[A-Za-z_][A-Za-z0-9_]*$ || ! -v option_help[$_name] ]]; then
            _close=$(closest_options "$_name")
            die -2 "unknown option ${_typed%%=*}${_close:+; did you mean$_close?} (--help lists all)"
        fi
        if [[ $_typed == *=* ]]; then
            _value=${_typed#*=}
        else
            (($#)) || die -2 "option $_typed needs a value"
            _value=$1; shift
            [[ $_value != --?* ]] || die -2 "option $_typed needs a value, not '$_value'"
        fi
        if [[ ${option_default[$_name]} =~ ^(true|false)$ && ! $_value =~ ^(true|false)$ ]]; then
            die -2 "option ${_typed%%=*} is true or false, not '$_value'"
        fi
        [[ $option_paths != *" $_name "* || -z $_value || $_value == /* ]] || _value=$PWD/$_value
        printf -v "$_name" %s "$_value"
    done
}
