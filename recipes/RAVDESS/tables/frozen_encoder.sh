#!/bin/bash
# All runs of the README's table "From a frozen encoder", one sweep for each of
# its rows and cards. After a kill the same command goes on; what is finished
# is not run again.
#
#   bash tables/frozen_encoder.sh /path/to/RAVDESS openai/whisper-base \
#       --precision=bf16
#
# JOBS (2 by default) run at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
data_folder=$1 ssl_hub=$2
shift 2
flags=("$@")

no_swfc=--loss_weights='{swfc: 0}'
kinds=ser_mtl_modules.lobes.co_attention

# row NAME CARD SEEDS OVERRIDES...
row() {
    python -m ser_mtl_modules sweep hparams/mtl_frozen.yaml \
        --output "results/frozen/$2/$1" --seeds "$3" --jobs "${JOBS:-2}" \
        --data_folder="$data_folder" --ssl_hub="$ssl_hub" --card="$2" \
        "${flags[@]}" "${@:4}"
}

consecutive=ravdess-6fold-consecutive
row emotion $consecutive 1986 --auxiliary_tasks=[] "$no_swfc"
row full $consecutive 1986
row tasks $consecutive 1986 --co_attention="!name:$kinds.Nothing" "$no_swfc"
row chain $consecutive 1986 "$no_swfc"

emobox=ravdess-6fold-emobox
row emotion $emobox 1986 --auxiliary_tasks=[] "$no_swfc"
row full $emobox 1986
row tasks $emobox 1986 --co_attention="!name:$kinds.Nothing" "$no_swfc"
row chain $emobox 1986 "$no_swfc"

for kind in Concatenate ParallelGates TaskTokens CaMser; do
    row $kind $consecutive 1986 --co_attention="!name:$kinds.$kind"
done

row emotion $consecutive 1986,1987,1988 --auxiliary_tasks=[] "$no_swfc"
row full $consecutive 1986,1987,1988
