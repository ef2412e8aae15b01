#!/bin/bash
# All runs of the README's table of fusions from log-mels, one sweep for each
# row. After a kill the same command goes on; what is finished is not run
# again.
#
#   bash tables/log_mel_fusions.sh /path/to/RAVDESS
#
# JOBS (2 by default) run at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
data_folder=$1
shift
flags=("$@")

kinds=ser_mtl_modules.lobes.co_attention
for kind in Chain Concatenate ParallelGates TaskTokens CaMser Nothing; do
    python -m ser_mtl_modules sweep hparams/mtl_fbank.yaml \
        --output "results/fbank12/$kind" --folds 1,3 --seeds 1986,1987 \
        --jobs "${JOBS:-2}" --data_folder="$data_folder" \
        --number_of_epochs=12 --co_attention="!name:$kinds.$kind" \
        "${flags[@]}"
done
