#!/bin/bash
# All runs of the README's table "Two stages", one sweep for each row. After a
# kill the same command goes on; what is finished is not run again.
#
#   bash tables/two_stages.sh /path/to/RAVDESS openai/whisper-base
#
# JOBS (2 by default) run at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
data_folder=$1 ssl_hub=$2
shift 2
flags=("$@")

# row NAME EPOCHS OVERRIDES...: the upper two of six layers are trained
row() {
    python -m ser_mtl_modules sweep hparams/ari_stage2.yaml \
        --output "results/two_stages/$1" --folds 1,3 --seeds 1986 \
        --jobs "${JOBS:-2}" --data_folder="$data_folder" \
        --ssl_hub="$ssl_hub" --frozen_layers=4 --number_of_epochs="$2" \
        "${flags[@]}" "${@:3}"
}

fusions=ser_mtl_modules.lobes.layer_fusion
row one_stage 10 --earlier_yaml=null # as many as both stages together
row ari 5
row last 5 --integration=null --layer_fusion="!name:$fusions.Last"
row weighted_sum 5 --integration=null \
    --layer_fusion="!name:$fusions.WeightedSum"
