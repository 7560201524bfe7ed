#!/usr/bin/env bash
# The Fisher information matrix of every family of models as it is, and histograms of its values on and off the diagonal.
# Second paper (Dauncey et al., 2024, arXiv 2403.01485): the figures of the matrix in the appendix.
# Printed there: pictures without numbers.
#
#   bash paper_figure_scripts/FIM_appendix.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
for family in "${ALL_FAMILIES[@]}"; do
    train_model "$family" "$IN"
    for figure in raw_FIMs values_histogram; do
        draw "plots.FIM_approximation.$figure" "$family" "$(run_of "$family" "$IN")" --n_samples "${FISHER_SAMPLES[$family]}" \
            --compute --output "$FIGURES/FIM_appendix-$figure-$family"
    done
done
