# shellcheck shell=bash
# What every recipe's local/data.sh does after it has declared its own options: source it with its arguments.
# Sets $config, $data, $nj and $force, and defines 'need', 'need_text' and 'stxfer'.
# shellcheck disable=SC2034,SC2154  # 'option NAME DEFAULT' assigns the options; parse_options reads $usage
path_option config "" "experiment file; its 'data' section says how much to use"
option data data "directory to fill"
option nj 2 "parallel jobs"
option force false "do it again"
usage="usage: $0 --config FILE [--option value ...]"
parse_options "$@"
[[ -n $config ]] || die -2 "--config is needed"

need() { # need OPTION PATH: the corpus is there, or say how to name it
    [[ -n $2 ]] || die "no corpus: give $1 DIR, see README.md"
    [[ -e $2 ]] || die "$1: $2: no such file or directory"
}

need_text() { # need_text LANGUAGE OPTION PATH: the same of aligned text, which may be two files PATH.<language>
    [[ -n $3 && (-e $3.$1 || -e $3.$1.gz) ]] || need "$2" "$3"
}

# shellcheck source=egs2/TEMPLATE/asr1/path.sh
. "$template"/path.sh
flags=()
[[ $force == false ]] || flags+=(--force)

stxfer() { "$STXFER_PYTHON" -m stxfer.bin."$1" "${@:2}" "${flags[@]}"; }
