# shellcheck shell=bash
# The run-time environment of every recipe and of the tests; source it. Makes tools/venv if it is not there.
STXFER_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
"$STXFER_ROOT"/tools/install.sh
export STXFER_ROOT
export STXFER_PYTHON=${STXFER_PYTHON:-$STXFER_ROOT/tools/venv/bin/python}
export PYTHONPATH=$STXFER_ROOT${PYTHONPATH:+:$PYTHONPATH}
export PYTHONUTF8=1  # texts are UTF-8 whatever the locale says

# Systems train side by side, one thread each (--nj); more threads a process only get in each other's way.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} MKL_NUM_THREADS=${MKL_NUM_THREADS:-1}
# glibc gives large blocks back to the system after every tensor and page-faults them in again; keeping
# them saves a third of a Transformer's training time on a CPU.
export MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=268435456
