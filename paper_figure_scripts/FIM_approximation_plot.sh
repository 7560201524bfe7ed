#!/usr/bin/env bash
# The Fisher information matrix of some weights of some layers, normalised: the identity, if it were diagonal.
# Second paper (Dauncey et al., 2024, arXiv 2403.01485): the figure of the approximation of the matrix.
# Printed there: a picture; the abstract says that the matrix has large absolute diagonal values.
#
#   bash paper_figure_scripts/FIM_approximation_plot.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
for family in "${ALL_FAMILIES[@]}"; do
    train_model "$family" "$IN"
    draw plots.FIM_approximation "$family" "$(run_of "$family" "$IN")" --n_samples "${FISHER_SAMPLES[$family]}" --compute \
        --output "$FIGURES/FIM_approximation-$family"
done
