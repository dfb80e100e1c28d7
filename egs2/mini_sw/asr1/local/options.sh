# shellcheck shell=bash
# What run.sh and data.sh both read: no corpus is needed.
# shellcheck disable=SC2034  # the driver reads it
preset=mini
