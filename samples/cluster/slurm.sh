#!/bin/sh
# A model in parts, on whatever nodes are free: sbatch --array=1-64 slurm.sh SOURCE OUTPUT
# What 'qconvert join' then says is missing:   sbatch --array=2,5-7 --export=ALL,PARTS=64 slurm.sh SOURCE OUTPUT
#SBATCH --job-name=qconvert
#SBATCH --output=qconvert-%a.log
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --requeue
exec "${QCONVERT:-qconvert}" to-nf4 "$1" -o "$2" --part "auto${PARTS:+/$PARTS}"
