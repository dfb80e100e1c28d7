#!/usr/bin/env bash
# Make the Python environment in tools/venv, or check the one that STXFER_PYTHON names.
#
#   tools/install.sh                               with python3
#   PYTHON=/path/to/python3.12 tools/install.sh    with another interpreter (3.10 or later)
#   STXFER_PYTHON=/path/to/python tools/install.sh only checks that environment
#
# Says nothing and takes no time when the environment is there and up to date. A half-made one is
# made again. Needs no root, no compiler, about 7 GB of disk and a package index (pip's usual settings).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/tools
venv=$tools/venv
marker=$venv/.stxfer-installed  # written last: an environment without it is half-made
log=$tools/.install.log
need_gb=8
# pip 26 refuses espnet's dependency ci_sdr ("cannot declare direct URL dependencies").
pip=pip==25.3

say() { echo "install: $*" >&2; }
die() { echo "error: $*" >&2; exit 1; }

check_own() {  # the user's environment: name what is missing, without importing anything slow
    local python=$1 missing
    command -v "$python" >/dev/null || die "STXFER_PYTHON=$python: no such interpreter"
    missing=$("$python" - "$tools"/requirements{,-pretrained,-train,-espnet}.txt <<'PY'
import importlib.metadata, re, sys
if sys.version_info < (3, 10):
    sys.exit("python>=3.10")
names = [re.match(r"[\w.-]*", line)[0] for path in sys.argv[1:] for line in open(path, encoding="utf-8")]
# espnet lists two that nothing here imports; peft is for LoRA alone, which says so if it is not there; argcomplete for
# the command stxfer in a shell.
optional = {"argcomplete", "editdistance", "importlib-metadata", "peft"}
installed = {re.sub(r"[-_.]+", "-", d.metadata["Name"] or "").lower() for d in importlib.metadata.distributions()}
wanted = dict.fromkeys(re.sub(r"[-_.]+", "-", name).lower() for name in names if name)
print(*[name for name in wanted if name not in installed | optional])
PY
    ) || die "STXFER_PYTHON=$python: cannot run it, or it is older than Python 3.10"
    [[ -z $missing ]] || die "STXFER_PYTHON=$python lacks: $missing (versions: tools/requirements*.txt)"
}

check_python() {  # what an installation cannot mend
    local python=$1
    command -v "$python" >/dev/null || die "no $python on this machine; set PYTHON=/path/to/python3 (3.10 or later)"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        die "$python is $("$python" -V 2>&1), and 3.10 or later is needed; set PYTHON=/path/to/python3"
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        die "$python has no venv module (Debian and Ubuntu: apt install python3-venv); set PYTHON or STXFER_PYTHON"
}

check_disk() {
    local free_gb
    free_gb=$(df -Pk "$tools" | awk 'NR == 2 { print int($4 / 1048576) }')
    ((free_gb >= need_gb)) || die "$tools has $free_gb GB of free disk, and $need_gb GB are needed"
    ((free_gb >= need_gb + 4)) || export PIP_NO_CACHE_DIR=1  # it would take another 3 GB
}

condense() {  # pip's output, on stdin, as a line every 10 s
    local line status now=starting found=0 shown=$SECONDS
    while true; do
        status=0
        read -r -t 2 line || status=$?
        ((status == 0 || status > 128)) || break  # above 128: nothing to read within 2 s
        if ((status == 0)); then
            case $line in
                "Collecting "* | "Processing "*) ((++found)); now=$line ;;
                "Downloading "* | "Using cached "*) now=$line ;;
                *"Building wheel"*) now=$line ;;
                "Installing collected packages"*) now="unpacking $(tr -cd , <<<"$line" | wc -c) packages" ;;
            esac
        fi
        if ((SECONDS - shown >= 10)); then
            say "$((SECONDS - began)) s, $found packages found, $(du -sh "$venv" 2>/dev/null | cut -f1) in place; ${now:0:90}"
            shown=$SECONDS
        fi
    done
}

run_pip() {
    if ! "$venv"/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off "$@" 2>&1 |
        tee -a "$log" | condense; then
        if grep -q 'No space left on device' "$log"; then
            die "the disk became full; free $need_gb GB and run this again"
        elif grep -qE 'NewConnectionError|NameResolutionError|ConnectTimeout|ProxyError|SSLError|from versions: none' "$log"; then
            die "cannot reach the package index (network, proxy or PIP_INDEX_URL?): $(reason)"
        fi
        die "pip failed: $(reason)"
    fi
}

reason() { echo "$(grep -iE '^ *error' "$log" | tail -n 1 | cut -c1-200); its whole output is in tools/.install.log"; }

if [[ -n ${STXFER_PYTHON:-} ]]; then
    [[ $STXFER_PYTHON == "$venv"/bin/python ]] || { check_own "$STXFER_PYTHON"; exit; }
fi

wanted=$({ cat "$tools"/requirements*.txt "$tools"/constraints.txt; echo "$pip $root"; } | cksum)
up_to_date() { [[ -e $marker && $(<"$marker") == "$wanted" ]] && "$venv"/bin/python -c '' 2>/dev/null; }
if up_to_date; then exit; fi

[[ -w $tools ]] || die "$tools is not writable; set STXFER_PYTHON to an environment of your own"
if command -v flock >/dev/null; then  # two recipes started at once: the second waits for the first
    exec 8>"$tools"/.install.lock
    flock -n 8 || { say "waiting for another installation"; flock 8; }
    if up_to_date; then exit; fi
fi

began=$SECONDS
: >"$log"
if [[ -e $marker ]] && "$venv"/bin/python -c '' 2>/dev/null; then
    say "bringing tools/venv up to date"
    rm "$marker"
else
    check_python "${PYTHON:-python3}"
    rm -rf "$venv"
    check_disk
    say "making tools/venv with $("${PYTHON:-python3}" -V): about 5 GB to unpack, some minutes, once"
    "${PYTHON:-python3}" -m venv "$venv" >>"$log" 2>&1 || die "python -m venv failed: $(tail -n 1 "$log")"
fi
# pip unpacks 3 GB of downloads on the way: beside the environment, as /tmp is small on many machines.
export TMPDIR=$tools/.install.tmp
rm -rf "$TMPDIR"; mkdir "$TMPDIR"
trap 'rm -rf "$TMPDIR"' EXIT

run_pip "$pip"
run_pip -c "$tools"/constraints.txt -r "$tools"/requirements.txt -r "$tools"/requirements-pretrained.txt \
    -r "$tools"/requirements-train.txt -r "$tools"/requirements-slurm.txt -r "$tools"/requirements-dev.txt
run_pip --no-deps -r "$tools"/requirements-espnet.txt
# What an editable install would do, without a build: the project itself is importable in this environment, and its
# command is there.
echo "$root" >"$("$venv"/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"/stxfer.pth
printf '#!%s\n# PYTHON_ARGCOMPLETE_OK\nfrom stxfer.bin.__main__ import main\nmain()\n' "$venv"/bin/python \
    >"$venv"/bin/stxfer
chmod +x "$venv"/bin/stxfer
echo "$wanted" >"$marker"
say "tools/venv is ready after $((SECONDS - began)) s"
