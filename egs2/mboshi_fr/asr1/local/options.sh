# shellcheck shell=bash
# What run.sh and data.sh both read.
# shellcheck disable=SC2034  # the driver reads it
preset=cpu
path_option mboshi_fr "${MBOSHI_FR:-}" "Mboshi speech: train.tsv, dev.tsv and clips/, or set MBOSHI_FR"
path_option source_corpus "${FRENCH_SPEECH:-}" "French speech in Common Voice's form, or set FRENCH_SPEECH"
