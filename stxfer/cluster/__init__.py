"""Jobs on this machine or on a Slurm cluster: what cmd.sh says, submission, what becomes of them."""
