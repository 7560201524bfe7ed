#!/usr/bin/env bash
# Images that every family of models draws, and the sets that they learned and are judged on.
# Second paper (Dauncey et al., 2024, arXiv 2403.01485): the samples of the models in the appendix.
# Printed there: pictures without numbers.
#
#   bash paper_figure_scripts/model_samples.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
arrays=()
for family in "${ALL_FAMILIES[@]}"; do
    train_model "$family" "$IN"
    samples "$(run_of "$family" "$IN")"
    arrays+=("$ARRAY")
    draw plots.model_samples "$ARRAY" --n "$DRAWN" --output "$FIGURES/model_samples-$family"
done
draw plots.model_samples.array "${arrays[@]}" --n "$DRAWN" --columns 4 --output "$FIGURES/model_samples"
described="$RUNS/described" # of these sets alone: the figure shows all that is in the folder
for set in "${ALL_SETS[@]}"; do described+="-$(short "$set")"; done
once "$described/described" "$PYTHON" main.py describe --data "${ALL_SETS[@]}" "${GREY[@]}" --output "$described"
draw plots.dataset_validation "$described"/*.npz --output "$FIGURES/dataset_validation"
