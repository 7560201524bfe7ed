#!/usr/bin/env bash
# AUROC of the methods for every family of models and pair of sets, of single images and of groups of five; ROC curves.
# Second paper (Dauncey et al., 2024, arXiv 2403.01485): the tables of results, the Gaussian against typicality.
# Printed there: for diffusion models, groups of 5, on average over all pairs: 0.88 for the Gaussian, 0.81 for typicality.
#
#   bash paper_figure_scripts/runner_tables.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
methods=(typicality gradients_L2_norms_gaussian)
for family in "${ALL_FAMILIES[@]}"; do
    models "$family" "${TRAINED[@]}"
    for group in 1 5; do
        draw plots.anomaly_table "${MODELS[@]}" --batch_size "$group" --anomaly_detection "${methods[@]}" \
            --output "$FIGURES/table-$family-groups$group"
        draw plots.anomaly_table.compare_methods "${MODELS[@]}" --batch_size "$group" --anomaly_detection "${methods[@]}" \
            --output "$FIGURES/table-$family-groups$group-compared"
        show "$FIGURES/table-$family-groups$group-compared"
    done
    models "$family" "$IN"
    draw plots.anomaly_AUROC "${MODELS[@]}" --batch_size 5 --anomaly_detection "${methods[@]}" \
        --output "$FIGURES/ROC-$family"
done
