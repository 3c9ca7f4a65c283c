#!/bin/sh
# The join of all parts, once the array is done: sbatch --dependency=afterok:JOB join.sh OUTPUT
#SBATCH --job-name=qconvert-join
#SBATCH --output=qconvert-join.log
exec "${QCONVERT:-qconvert}" join "$1".part-*-of-* -o "$1"
