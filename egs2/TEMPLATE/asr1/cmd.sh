# shellcheck shell=bash
# Where the jobs of a recipe run: copy this to the recipe's directory and change it there (docs/cluster.md).
#
# cmd_backend   local: processes of this machine; slurm: jobs of a cluster. `run.sh --launcher slurm` is the short form.
# train_cmd     options of jobs on processors: shards of features and labels.
# cuda_cmd      options of trainings, and of features of a pretrained encoder.
# decode_cmd    options of decoding.
#
# conf/slurm.conf says what the options are to sbatch at your site.
# shellcheck disable=SC2034  # the driver exports them
cmd_backend=${launcher:-${cmd_backend:-local}}
train_cmd=${train_cmd---mem 4G}
cuda_cmd=${cuda_cmd---mem 16G --gpu 1}
decode_cmd=${decode_cmd---mem 8G}
