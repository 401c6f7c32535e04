#!/usr/bin/env bash
# Makes the shipped weights anew, from nothing but photos and an ImageNet encoder. Usage:
#   recipes/shipped.sh PHOTOS VALIDATION MOBILENETV2 OUT [OPTION OF TRAIN...]
# PHOTOS, VALIDATION: folders of colour photos or Parquet files; MOBILENETV2: timm's mobilenetv2_100 as
# safetensors (pad_type "same"). OUT gets the ten runs, koala.onnx, koala-int8.onnx and report.json. The last six
# runs need LPIPS's squeezenet1_1-b8a52dc0.pth, see docs/training.md.
# Started again after a stop, it goes on where it was.
set -euo pipefail
photos=$1 validation=$2 mobilenet=$3 out=$4
options=("${@:5}")
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python}

run() { # recipe, what it starts from, how far lightness is blurred
  "$python" -m koalarize lab train "$here/$1.yaml" -o "$out/$1" --resume --set name=koala \
    --set data.train="$photos" --set data.validation="$validation" --set "$2" \
    --set network.options.blur="$3" "${options[@]}"
}

mean() { # the mean of the weights $1 and $2, as $3; the share of $2 is $4, by default a half
  "$python" - "$@" <<'PY'
import sys

from safetensors import safe_open
from safetensors.torch import load_file, save_file

first, last, mean, share = (*sys.argv[1:], "0.5")[:4]
earlier, later = load_file(first), load_file(last)
with safe_open(last, "pt") as file:
    facts = file.metadata()
weights = later | {k: v.float().lerp(later[k].float(), float(share)).to(v.dtype) for k, v in earlier.items()}
save_file(weights, mean, facts)
PY
}

run koala network.encoder="$mobilenet" 1
run koala-further network.start="$out/koala/model.safetensors" 1
run koala-longer network.start="$out/koala-further/model.safetensors" 1
run koala-eighth network.start="$out/koala-longer/model.safetensors" 1
run koala-perceptual network.start="$out/koala-eighth/model.safetensors" 1
run koala-projected network.start="$out/koala-perceptual/model.safetensors" 1
mean "$out/koala-perceptual/model.safetensors" "$out/koala-projected/model.safetensors" "$out/sharp.safetensors"
run koala-blurred network.start="$out/sharp.safetensors" 5
mean "$out/sharp.safetensors" "$out/koala-blurred/model.safetensors" "$out/between.safetensors"
run koala-steady network.start="$out/between.safetensors" 3
run koala-settled network.start="$out/koala-steady/model.safetensors" 3
mean "$out/koala-steady/model.safetensors" "$out/koala-settled/model.safetensors" "$out/mean.safetensors" 0.6
run koala-varied network.start="$out/mean.safetensors" 3
"$python" -m koalarize lab export "$out/koala-varied/model.safetensors" -o "$out/koala.onnx" --chroma-gain 1.8
"$python" -m koalarize lab export "$out/koala.onnx" -o "$out/koala-int8.onnx" --precision int8 \
  --calibrate "$photos"
"$python" -m koalarize lab evaluate "$out/koala.onnx" "$out/koala-int8.onnx" --data "$validation" \
  -o "$out/report.json"
