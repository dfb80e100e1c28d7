# shellcheck shell=bash
# The run-time environment of every recipe and of the tests; source it. Makes tools/venv if it is not there.
case ${STXFER_PYTHON:-} in # a path is relative to where the command is typed; a plain name is looked up
    /*) ;;
    */*) STXFER_PYTHON=$PWD/$STXFER_PYTHON ;;
esac
STXFER_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
"$STXFER_ROOT"/tools/install.sh
export STXFER_ROOT
export STXFER_PYTHON=${STXFER_PYTHON:-$STXFER_ROOT/tools/venv/bin/python}
export PYTHONPATH=$STXFER_ROOT${PYTHONPATH:+:$PYTHONPATH}
export PYTHONUTF8=1  # texts are UTF-8 whatever the locale says

# Systems train side by side, one thread each (--nj); more threads a process only get in each other's way.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} MKL_NUM_THREADS=${MKL_NUM_THREADS:-1}
# glibc gives large blocks back to the system after every tensor and page-faults them in again; keeping
# them nearly halves a Transformer's page faults. More than 512 MiB that are free still go back.
export MALLOC_MMAP_THRESHOLD_=268435456 MALLOC_TRIM_THRESHOLD_=536870912 MALLOC_TOP_PAD_=67108864
