#!/usr/bin/env bash
# Makes the shipped weights anew, from nothing but photos and an ImageNet encoder. Usage:
#   recipes/shipped.sh PHOTOS VALIDATION MOBILENETV2 OUT [OPTION OF TRAIN...]
# PHOTOS, VALIDATION: folders of colour photos or Parquet files; MOBILENETV2: timm's mobilenetv2_100 as
# safetensors (pad_type "same"). OUT gets the sixteen runs, koala.onnx, koala-int8.onnx and report.json. The last
# twelve runs need LPIPS's squeezenet1_1-b8a52dc0.pth, see docs/training.md.
# Started again after a stop, it goes on where it was.
set -euo pipefail
photos=$1 validation=$2 mobilenet=$3 out=$4
options=("${@:5}")
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python}

run() { # recipe, what it starts from, how far lightness is blurred
  part "$1" "$1" "$2" network.options.blur="$3"
}

part() { # recipe, the run's folder, what else the recipe says
  local recipe=$1 folder=$2 say=()
  for setting in "${@:3}"; do say+=(--set "$setting"); done
  "$python" -m koalarize lab train "$here/$recipe.yaml" -o "$out/$folder" --resume --set name=koala \
    --set data.train="$photos" --set data.validation="$validation" "${say[@]}" "${options[@]}"
}

export_of() { # weights, the .onnx file, the chroma gain
  "$python" -m koalarize lab export "$1" -o "$2" --chroma-gain "$3"
}

taught() { # the run's folder, the weights it starts from and learns from, what else the recipe says
  [ -e "$out/$1-teacher.onnx" ] || export_of "$2" "$out/$1-teacher.onnx" 1.97
  part koala-taught "$1" network.start="$2" teacher.model="$out/$1-teacher.onnx" "${@:3}"
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

sharper=$out/sharper.onnx # what the softer blur begins with and learns from
[ -e "$sharper" ] || export_of "$out/koala-varied/model.safetensors" "$sharper" 1.8
part koala-softer softer-1 network.start="$sharper" teacher.model="$sharper" loss.perceptual=0 teacher.share=0.9 \
  optimizer.learning_rate=2e-4 steps=900 seed=307
part koala-softer softer-2 network.start="$out/softer-1/model.safetensors" teacher.model="$sharper" steps=650 \
  chroma_gain=1.7
part koala-softer softer-3 network.start="$out/softer-2/model.safetensors" teacher.model="$sharper" seed=313
mean "$out/softer-1/model.safetensors" "$out/softer-2/model.safetensors" "$out/softer-12.safetensors"
mean "$out/softer-12.safetensors" "$out/softer-3/model.safetensors" "$out/softer.safetensors" 0.6
part koala-taught taught-1 network.start="$out/softer.safetensors" teacher.model="$sharper" teacher.share=0.5 \
  adversarial.weight=3 optimizer.learning_rate=2e-4 seed=317
mean "$out/softer.safetensors" "$out/taught-1/model.safetensors" "$out/half-1.safetensors"
taught taught-2 "$out/half-1.safetensors" steps=1000 seed=523
mean "$out/half-1.safetensors" "$out/taught-2/model.safetensors" "$out/half-2.safetensors"
taught taught-3 "$out/half-2.safetensors"
mean "$out/half-1.safetensors" "$out/taught-3/model.safetensors" "$out/shipped.safetensors"
"$python" -m koalarize lab export "$out/shipped.safetensors" -o "$out/koala.onnx" --chroma-gain 1.97
"$python" -m koalarize lab export "$out/koala.onnx" -o "$out/koala-int8.onnx" --precision int8 \
  --calibrate "$photos"
"$python" -m koalarize lab evaluate "$out/koala.onnx" "$out/koala-int8.onnx" --data "$validation" \
  -o "$out/report.json"
