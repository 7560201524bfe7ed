#!/usr/bin/env bash
# Gradient norms of two layers: how they spread in and out of distribution, and one against the other.
# Second paper (Dauncey et al., 2024, arXiv 2403.01485): the histograms with the scatter of layer-wise log gradient norms.
# Printed there: a picture without a number; its claims are that such norms of the in-distribution set are near to a
# normal distribution in log, and that layers are only weakly correlated (abstract).
#
#   bash paper_figure_scripts/gradients_histogram_and_scatter.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
models glow "$IN"
draw plots.summary_statistic_histograms.with_scatter "${MODELS[@]}" --anomaly_detection gradients_L2_norms_gaussian \
    --batch_size 5 --fitted_distribution --n_statistics 2 --output "$FIGURES/gradients_histogram_and_scatter"
draw plots.summary_statistic_histograms.scatter_main "${MODELS[@]}" --anomaly_detection gradients_L2_norms_gaussian \
    --batch_size 5 --n_statistics 2 --output "$FIGURES/gradients_scatter"
