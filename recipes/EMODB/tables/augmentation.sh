#!/bin/bash
# All runs of the README's table "Augmentation as a task", one sweep for each
# row. After a kill the same command goes on; what is finished is not run
# again.
#
#   bash tables/augmentation.sh /path/to/EMODB /path/to/unlabelled/speech
#
# JOBS (2 by default) run at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
data_folder=$1 speech=$2
shift 2
flags=("$@")

# row NAME FOLDS OVERRIDES...
row() {
    python -m ser_mtl_modules sweep hparams/mtl_aug.yaml \
        --output "results/augmentation/$1" --folds "$2" --seeds 1986 \
        --jobs "${JOBS:-2}" --data_folder="$data_folder" \
        "${flags[@]}" "${@:3}"
}

five=1,2,3,4,5
ten=$five,6,7,8,9,10
row emotion $ten --auxiliary_tasks=[] \
    --augment='!new:ser_mtl_modules.augment.waves.NoAugment'
row unlabelled $ten --unlabelled="{folder: $speech}"
row augmented $five --auxiliary_tasks=[]
row type $five --auxiliary_tasks=[augmentation]
row reconstruction $five --auxiliary_tasks=[reconstruction]
row both $five
