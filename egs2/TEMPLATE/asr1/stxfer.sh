#!/usr/bin/env bash
# The staged driver of every recipe. A recipe's run.sh sets $recipe (its directory) and $preset, declares
# the options of its local/data.sh and sources this file with its own arguments. A recipe of a family also sets $presets
# (the folder of its family's) and $data_script, and defines 'experiment', which prints the experiment file of a preset,
# and, if it has to check or change what was given, 'options_given'.
# shellcheck disable=SC2154  # 'option NAME DEFAULT' assigns the options
set -euo pipefail

template=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=utils/parse_options.sh
[[ $(type -t option) == function ]] || . "$template"/../../../utils/parse_options.sh
recipe=${recipe:-$PWD}
presets=${presets:-$recipe/conf}

names=(data prepare features mt labels vocab lm source_asr st target_asr decode score report)
titles=("corpora to data/" "normalise texts, check audio" "features of the speech" "train the translator"
    "translate the source transcripts" "learn the vocabularies" "train the language models"
    "train source ASR" "train speech translation" "train target ASR" "decode the test sets" "error rates and translation scores" "comparison table")

graph=(source_asr st target_asr decode) # stages whose jobs may all be in a cluster's queue at once

data_options=("${option_names[@]}") # what the recipe declared goes to local/data.sh
option stage 1 "first stage, number or name"
option stop_stage "${#names[@]}" "last stage, number or name"
option preset "${preset:-}" "experiment: conf/<preset>.yaml of the recipe"
path_option config "" "experiment file, instead of a preset"
option systems "" "train, decode and score only these systems, e.g. \"scratch direct+lm\"; all if empty"
option seeds "" "only these seeds, e.g. \"1 2\"; those of the experiment if empty"
option nj 2 "parallel jobs, one thread each; with --launcher slurm the jobs of an array"
option processes 1 "processes that train a system together, e.g. one a GPU"
option launcher "" "where jobs run, local or slurm; empty: as cmd.sh says (docs/cluster.md)"
option nodes 1 "machines of the cluster that train a system together, so many processes on each"
path_option workdir "$recipe" "where data, dump and exp are"
option expdir exp "directory of models and results, in the working directory"
option force false "do the chosen stages again even if they are finished"
option allow_stale false "use inputs although what they were made from has changed since"
path_option encoder "${ENCODER:-}" "directory of the pretrained encoder, where a preset wants one; or set ENCODER"
option dry_run false "say what would be done, with what, how long it takes and why, and do nothing"
option utterances 2000 "utterances of each test set that report.html has at most"
option embed_audio 0 "of so many of them, put the audio into report.html, to be heard without the working directory"
option pictures 0 "of so many of them, show in report.html what each system attends to"
option python "${STXFER_PYTHON:-}" "Python of an environment of your own; tools/venv if empty"

usage() {
    local i
    printf 'usage: %s [--option value ...]\n\nStages:\n' "$0"
    for i in "${!names[@]}"; do printf '  %2d  %-11s %s\n' $((i + 1)) "${names[i]}" "${titles[i]}"; done
    printf '\nA finished stage whose input has not changed is not done twice; --force true does it again.'
}
usage=$(usage)
parse_options "$@"

stage_number() { # stage_number OPTION VALUE: print the number of the stage that VALUE numbers or names
    local i
    for i in "${!names[@]}"; do
        if [[ $2 == $((i + 1)) || ${2//-/_} == "${names[i]}" ]]; then echo $((i + 1)); return; fi
    done
    die -2 "$1 $2: no such stage; 1 to ${#names[@]}, or ${names[*]}"
}
in_recipe() { [[ -e $recipe/$1 ]] && echo "$recipe/$1" || echo "$template/$1"; } # its own, or the template's
first=$(stage_number --stage "$stage")
last=$(stage_number --stop-stage "$stop_stage")
((first <= last)) || die -2 "--stage $stage comes after --stop-stage $stop_stage"
[[ $nj =~ ^[1-9][0-9]*$ ]] || die -2 "--nj $nj: must be a number of at least 1"
[[ $processes =~ ^[1-9][0-9]*$ ]] || die -2 "--processes $processes: must be a number of at least 1"
[[ $nodes =~ ^[1-9][0-9]*$ ]] || die -2 "--nodes $nodes: must be a number of at least 1"
# shellcheck source=egs2/TEMPLATE/asr1/cmd.sh
. "$(in_recipe cmd.sh)"
case $cmd_backend in
    local) ((nodes == 1)) || die -2 "--nodes $nodes: needs --launcher slurm" ;;
    slurm) slurm_conf=${slurm_conf:-$(in_recipe conf/slurm.conf)} ;;
    *) die -2 "--launcher $cmd_backend: must be local or slurm" ;;
esac
export cmd_backend train_cmd cuda_cmd decode_cmd slurm_conf
[[ -z $encoder ]] || export ENCODER=$encoder
[[ $(type -t options_given) != function ]] || options_given
again=(--config "$config") # what the report says makes it again
if [[ -z $config ]]; then
    again=(--preset "$preset")
    config=$presets/$preset.yaml
    [[ -e $config ]] || die -2 "--preset $preset: no such preset; $presets has$(
        for file in "$presets"/*.yaml; do [[ ! -e $file ]] || printf ' %s' "$(basename "$file" .yaml)"; done)"
    if [[ $(type -t experiment) == function ]]; then
        made=$workdir/config
        [[ $dry_run == false ]] || { made=$(mktemp -d) && trap 'rm -r "$made"' EXIT; }
        config=$made/$preset.yaml
        mkdir -p "$made"
        experiment >"$config.new"
        mv "$config.new" "$config"
    fi
fi
[[ -e $config ]] || die -2 "--config $config: no such file"

export STXFER_PYTHON=$python
# shellcheck source=egs2/TEMPLATE/asr1/path.sh
. "$template"/path.sh

stxfer() { "$STXFER_PYTHON" -m stxfer.bin."$1" "${@:2}"; }

selection=()
[[ -z $systems ]] || selection+=(--systems "$systems")
[[ -z $seeds ]] || selection+=(--seeds "$seeds")
flags=()
[[ $force == false ]] || flags+=(--force)
[[ $allow_stale == false ]] || flags+=(--allow-stale)
stxfer check_config --config "$config" "${selection[@]}" || exit # a wrong name must not cost the stages before it

given() { # given OPTION...: those that decide what is computed, as one types them: paths, and what is not the default
    local name words=()
    for name in "$@"; do
        [[ -n ${!name} ]] || continue
        [[ $option_paths == *" $name "* || ${!name} != "${option_default[$name]}" ]] || continue
        words+=("--${name//_/-}" "$(quoted "${!name}")")
    done
    echo "${words[*]}"
}

quoted() { # quoted WORD: in single quotes where a shell would not take it for one word
    if [[ $1 =~ ^[A-Za-z0-9_./:@%+=,-]+$ ]]; then echo "$1"; else echo "'${1//"'"/"'\\''"}'"; fi
}

is_graph() { [[ $cmd_backend == slurm && " ${graph[*]} " == *" $1 "* ]]; }

if [[ $dry_run == true ]]; then
    corpora=()
    for name in "${data_options[@]}"; do
        [[ $option_paths != *" $name "* ]] || corpora+=(--corpus "$name=${!name}")
    done
    place=$workdir/
    if cd "$workdir" 2>/dev/null; then place=""; fi
    stxfer plan --config "$config" --dump "${place}dump" --exp "$place$expdir" "${selection[@]}" "${flags[@]}" \
        --nj "$nj" --stages "${names[*]:first-1:last-first+1}" --given "$(given "${data_options[@]}")" "${corpora[@]}"
    chosen=()
    for name in "${names[@]:first-1:last-first+1}"; do ! is_graph "$name" || chosen+=("$name"); done
    ((!${#chosen[@]})) || stxfer jobs --dry-run --config "$config" --dump "${place}dump" --exp "$place$expdir" \
        --stage "${chosen[0]}" --stop-stage "${chosen[-1]}" "${selection[@]}" "${flags[@]}"
    exit
fi

mkdir -p "$workdir"
cd "$workdir"
[[ -e .stxfer ]] || echo "Paths in the files below are relative to this folder." >.stxfer
config=${config#"$PWD"/} # the report names it
# One run a working directory. What a killed run left running ends when it sees that, and has the lock until then.
export STXFER_PARENT=$$
if command -v flock >/dev/null; then
    exec 9>>.stxfer.lock
    flock -w 3 9 || die "$workdir: another run is at work here; wait for it, or give another --workdir"
fi

run_stage() {
    local together=(--nj "$nj" --processes "$processes")
    ((nodes == 1)) || together+=(--nodes "$nodes")
    local models=(--config "$config" --dump dump --exp "$expdir" "${flags[@]}")
    local page=(--utterances "$utterances" --embed-audio "$embed_audio" --pictures "$pictures")
    case $1 in
        data) run_data ;;
        prepare) stxfer prepare --config "$config" --data data --out dump/data --nj "$nj" "${flags[@]}" ;;
        features) stxfer dump_fbank --config "$config" --data dump/data --out dump/fbank --nj "$nj" "${flags[@]}" ;;
        mt) stxfer train_mt --nj "$nj" "${models[@]}" ;;
        labels) stxfer make_labels --nj "$nj" "${models[@]}" ;;
        vocab) stxfer make_vocab --config "$config" --dump dump "${flags[@]}" ;;
        lm) stxfer train_lm --nj "$nj" "${models[@]}" ;;
        source_asr) stxfer train --kind source "${together[@]}" "${models[@]}" "${selection[@]}" ;;
        st) stxfer train --kind st "${together[@]}" "${models[@]}" "${selection[@]}" ;;
        target_asr) stxfer train --kind target "${together[@]}" "${models[@]}" "${selection[@]}" ;;
        decode) stxfer decode --nj "$nj" "${models[@]}" "${selection[@]}" ;;
        score) stxfer score "${models[@]}" "${selection[@]}" ;;
        jobs) stxfer jobs --stage "$2" --stop-stage "$3" "${together[@]}" "${models[@]}" "${selection[@]}" ;;
        report) stxfer report "${models[@]}" "${selection[@]}" "${page[@]}" --command "$(command_again)" ;;
    esac
}

run_data() {
    local arguments=(--config "$config" --data data --nj "$nj" --force "$force") name said
    for name in "${data_options[@]}"; do arguments+=("--$name" "${!name}"); done
    "${data_script:-$recipe/local/data.sh}" "${arguments[@]}" || return
    mkdir -p data
    said=$(given "${data_options[@]}")
    [[ -e data/options && $(<data/options) == "$said" ]] ||
        { echo "$said" >data/options.new && mv data/options.new data/options; }
}

command_again() { # what makes the report again: of the corpora those that stage 'data' had, whatever this run is given
    local line="./run.sh ${again[*]}" part
    for part in "$(if [[ -e data/options ]]; then cat data/options; else given "${data_options[@]}"; fi)" \
        "$(given encoder systems seeds expdir processes utterances embed_audio pictures)"; do
        line+=${part:+ $part}
    done
    echo "$line"
}

duration() { printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); }

SECONDS=0
for ((number = first; number <= last; number++)); do
    name=${names[number - 1]} began=$SECONDS until=$number
    while is_graph "$name" && ((until < last)) && is_graph "${names[until]}"; do until=$((until + 1)); done
    command=("$name")
    ! is_graph "$name" || command=(jobs "$name" "${names[until - 1]}")
    for ((; number <= until; number++)); do
        printf '\n=== stage %d: %s (%s), %(%H:%M:%S)T\n' "$number" "${names[number - 1]}" "${titles[number - 1]}" -1 >&2
    done
    number=$until
    status=0
    run_stage "${command[@]}" || status=$?
    [[ $name == "${names[until - 1]}" ]] || name+=" to ${names[until - 1]}"
    if ((status)); then
        echo "stage $number ($name) failed; the same command resumes it" >&2
        exit "$status"
    fi
    echo "--- stage $number: $name took $(duration $((SECONDS - began)))" >&2
done
printf '\nstages %d to %d took %s\n' "$first" "$last" "$(duration $SECONDS)" >&2
