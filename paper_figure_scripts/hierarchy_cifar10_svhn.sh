#!/usr/bin/env bash
# CIFAR-10 against SVHN by a hierarchy of two Glows (Schirrmeister et al., 2020, table 1), small enough for two cores.
#
#   GENERAL=array:/data/general32 CIFAR10=cifar10 SVHN=svhn bash paper_figure_scripts/hierarchy_cifar10_svhn.sh
#
# GENERAL is the general image set: `tiny` after create_tiny.py, or any set. Killed, it goes on where it was.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PYTHON="${PYTHON:-python}"
GENERAL="${GENERAL:-tiny}" CIFAR10="${CIFAR10:-cifar10}" SVHN="${SVHN:-svhn}"
RUN="${RUN:-runs/cifar10-svhn}" GENERAL_RUN="${GENERAL_RUN:-${RUN:-runs/cifar10-svhn}-general}"
GENERAL_STEPS="${GENERAL_STEPS:-7000}" SPECIFIC_STEPS="${SPECIFIC_STEPS:-3000}"
COMMON=(--weight-decay 0 --evaluate-every 1000 --evaluate-limit 500)

"$PYTHON" main.py train --data "$GENERAL" --run "$GENERAL_RUN" --steps "$GENERAL_STEPS" --learning-rate 2e-3 \
    --steps-per-scale 8 --hidden-channels 64 --evaluate-on "$CIFAR10" "${COMMON[@]}"
"$PYTHON" main.py train --data "$CIFAR10" --run "$RUN" --base "$GENERAL_RUN" \
    --steps "$SPECIFIC_STEPS" --learning-rate 1e-3 "${COMMON[@]}"
evaluate() { # GENERAL NAME
    "$PYTHON" main.py evaluate --run "$RUN" --general "$1" --in-distribution "$CIFAR10" \
        --out-of-distribution "$SVHN" --json "$RUN/against-$2.json"
}
evaluate "$RUN/general" general
evaluate "$GENERAL_RUN" base # which was not trained on for as long
"$PYTHON" main.py sample --run "$RUN" --n 64 --temperature 0.8 --output "$RUN/samples.png"
