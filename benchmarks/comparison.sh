#!/usr/bin/env bash
# Trains every network of the repository on the same pictures with the same number of samples, and
# scores them side by side. Usage:
#   benchmarks/comparison.sh TRAIN VALIDATION SAMPLES OUT MOBILENETV2 [NETWORK...]
# TRAIN, VALIDATION: folders of pictures or Parquet files; SAMPLES: pictures, each seen once;
# MOBILENETV2: timm's mobilenetv2_100 as safetensors (pad_type "same", mean and std 0.5), which starts
# the encoder of koala and is the extractor of koala-net. Every network keeps its own loss, batch and
# optimizer; crops are of 128 px, learning rates go down a cosine, weights are not averaged.
set -euo pipefail
train=$1 validation=$2 samples=$3 out=$4 mobilenet=$5
shift 5
networks=("$@")
[ ${#networks[@]} -gt 0 ] || networks=(cnn unet-mini unet koala-net koala)
recipes=$(cd "$(dirname "$0")/../recipes" && pwd)
python=${PYTHON:-python}

fit() { # recipe, name, batch, further settings
  local recipe=$1 name=$2 batch=$3
  shift 3
  local steps=$((samples / batch))
  "$python" -m koalarize lab train "$recipes/$recipe.yaml" -o "$out/$name" --limit "$samples" --size 128 \
    --set name="$name" --set data.train="$train" --set data.validation=null --set data.max_side=160 \
    --set data.min_chroma=2.0 --set data.workers=1 --set optimizer.schedule=cosine \
    --epochs 1 --set segment="$steps" --set validate_every=0 --set ema=0 \
    --set seed=0 "$@"
}

for name in "${networks[@]}"; do
  case $name in
    cnn) fit article-b-cnn cnn 4 ;;
    unet-mini) fit article-a-unet-mini unet-mini 32 ;;
    unet) fit article-a-unet unet 32 ;;
    koala-net) fit article-a-koala-net koala-net 32 \
      --set network.options.extractor=mobilenetv2_100 \
      --set network.options.extractor_file="$mobilenet" \
      --set "network.options.extractor_kwargs={pad_type: same}" \
      --set "network.options.mean=[0.5, 0.5, 0.5]" --set "network.options.std=[0.5, 0.5, 0.5]" ;;
    koala) fit koala koala 32 --set network.encoder="$mobilenet" \
      --set network.options.slots=32 --set "crop.sizes=[128]" \
      --set optimizer.warmup=20 --set size=192 ;;
    *) echo "unknown network $name" >&2; exit 2 ;;
  esac
done

models=()
for name in "${networks[@]}"; do models+=("$out/$name/model.safetensors"); done
"$python" -m koalarize lab evaluate "${models[@]}" --data "$validation" --limit "${PICTURES:-300}" \
  --metrics "${METRICS:-all}" -o "$out/report.json" | tee "$out/report.md"
