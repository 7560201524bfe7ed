#!/usr/bin/env bash
# Correlation of the log gradient norms of two layers, by how far apart the layers are.
# Second paper (Dauncey et al., 2024, arXiv 2403.01485): the plot of the autocorrelation of layer-wise statistics.
# Printed there: no number at hand; the abstract says that the layers' norms are weakly correlated.
#
#   bash paper_figure_scripts/autocorrelation_plot.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
models glow "$IN"
draw plots.statistic_autocorrelation "${MODELS[@]}" --output "$FIGURES/autocorrelation"
