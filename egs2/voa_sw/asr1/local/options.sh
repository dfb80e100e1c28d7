# shellcheck shell=bash
# What run.sh and data.sh both read.
# shellcheck disable=SC2034  # the driver reads it
preset=cpu
path_option voa_sw "${VOA_SW:-}" "Swahili speech in Common Voice's form, or set VOA_SW"
path_option mafand_en_sw "${MAFAND_EN_SW:-}" "bitext {train,dev,test}.{en,sw}, or set MAFAND_EN_SW"
path_option source_corpus "" "English speech in Common Voice's form; empty: the bitext's English is synthesised"
option parts "0.25 0.5" "hours of Swahili training speech to make parts of, for curves: tgt_train_0_25h and so on"
