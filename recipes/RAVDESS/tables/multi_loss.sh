#!/bin/bash
# All runs of the README's tables of multi-loss learning, one sweep for each
# row. After a kill the same command goes on; what is finished is not run
# again.
#
#   bash tables/multi_loss.sh /path/to/RAVDESS openai/whisper-base
#
# JOBS (2 by default) run at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
data_folder=$1 ssl_hub=$2
shift 2
flags=("$@")

mixups=ser_mtl_modules.augment
poolings=ser_mtl_modules.lobes.pooling
no_mixup=--mixup="!new:$mixups.mixup.NoMixup"
lam=--mixup="!new:$mixups.label_adaptive_mixup.LabelAdaptiveMixup"
kl=--loss_weights='{focal: 0, center: 0, supcon: 0}'
ce=("$kl" "$no_mixup") # of labels that aren't mixed KL is cross-entropy
kl_center=--loss_weights='{focal: 0, supcon: 0}'
focal=--loss_weights='{supcon: 0}'

# row NAME YAML FOLDS SEEDS OVERRIDES...
row() {
    python -m ser_mtl_modules sweep "hparams/$2" \
        --output "results/multi_loss/$1" --folds "$3" --seeds "$4" \
        --jobs "${JOBS:-2}" --data_folder="$data_folder" \
        "${flags[@]}" "${@:5}"
}

# ---- log-mels
fbank() { row "fbank/$1" mll_fbank.yaml "$2" 1986 --number_of_epochs=12 "${@:3}"; }
six=1,2,3,4,5,6
fbank ce $six "${ce[@]}"
fbank full $six
fbank kl 1,3 "$kl"
fbank kl_center 1,3 "$kl_center"
fbank focal 1,3 "$focal"
fbank lam 1,3 "$lam"
fbank no_mixup 1,3 "$no_mixup"
fbank mean 1,3 --pooling="!name:$poolings.MeanPooling"
fbank max 1,3 --pooling="!name:$poolings.MaxPooling"

# ---- a frozen encoder
frozen() { row "frozen/$1" mll_frozen.yaml $six "$2" --ssl_hub="$ssl_hub" "${@:3}"; }
for pooling in attention mean max statistics; do
    case $pooling in
    attention) pool=() ;; # what the YAML says
    mean) pool=(--pooling="!name:$poolings.MeanPooling") ;;
    max) pool=(--pooling="!name:$poolings.MaxPooling") ;;
    statistics)
        pool=(--pooling="!name:$poolings.AttentiveStatisticsPooling")
        ;;
    esac
    frozen ce_$pooling 1986 "${pool[@]}" "${ce[@]}"
    frozen kl_center_$pooling 1986 "${pool[@]}" "$kl_center"
    frozen focal_$pooling 1986 "${pool[@]}" "$focal"
    frozen full_$pooling 1986 "${pool[@]}"
done
frozen ce_mean 1986,1987,1988 --pooling="!name:$poolings.MeanPooling" "${ce[@]}"
frozen full_attention 1986,1987,1988

# ---- the upper two layers of Whisper base trained, waves mixed
upper() {
    row "upper/$1" mll.yaml 1,3 1986 --ssl_hub="$ssl_hub" --feature_size=512 \
        --encoder='{freeze: 4}' --number_of_epochs=8 "${@:2}"
}
upper ce "${ce[@]}" --pooling="!name:$poolings.MeanPooling"
upper full
