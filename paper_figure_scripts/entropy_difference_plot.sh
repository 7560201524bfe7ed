#!/usr/bin/env bash
# How far the mean log-likelihood of each set is from that of the in-distribution set, and what part of it is entropy.
# Second paper (Dauncey et al., 2024, arXiv 2403.01485): the plot of entropy differences.
# Printed there: not at hand.
#
#   bash paper_figure_scripts/entropy_difference_plot.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
models glow "${TRAINED[@]}"
draw plots.summary_statistic_histograms.entropy_differences "${MODELS[@]}" --anomaly_detection typicality \
    --output "$FIGURES/entropy_difference"
