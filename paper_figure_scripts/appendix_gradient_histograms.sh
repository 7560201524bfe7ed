#!/usr/bin/env bash
# Gradient norms of several layers of every family of models, in and out of distribution, with the fitted normals.
# Second paper (Dauncey et al., 2024, arXiv 2403.01485): the histograms of the appendix, one figure for each family.
# Printed there: pictures without numbers.
#
#   bash paper_figure_scripts/appendix_gradient_histograms.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
for family in "${ALL_FAMILIES[@]}"; do
    models "$family" "$IN"
    draw plots.summary_statistic_histograms "${MODELS[@]}" --anomaly_detection gradients_L2_norms_gaussian \
        --batch_size 5 --fitted_distribution --n_statistics 6 --output "$FIGURES/appendix_gradient_histograms-$family"
done
