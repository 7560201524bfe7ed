#!/usr/bin/env bash
# Two ways to put the layers' gradient norms together: the density of a Gaussian, or p-values by Fisher's method.
# Second paper (Dauncey et al., 2024, arXiv 2403.01485): the table that compares with Fisher's method.
# Printed there: not at hand.
#
#   bash paper_figure_scripts/comparison_to_fisher.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
for family in "${ALL_FAMILIES[@]}"; do
    models "$family" "${TRAINED[@]}"
    draw plots.anomaly_table.compare_methods "${MODELS[@]}" --batch_size 5 \
        --anomaly_detection gradients_L2_norms_gaussian gradients_L2_norms_fishers_method \
        --output "$FIGURES/comparison_to_fisher-$family"
    show "$FIGURES/comparison_to_fisher-$family"
done
