#!/usr/bin/env bash
# The failure of likelihood beside the score by gradients: what out-of-distribution images get from the same model.
# Second paper (Dauncey et al., 2024, arXiv 2403.01485): figure 1.
# Printed there: pictures; the first author's account of it gives -log2 p(x) of about 7,000 bits to SVHN and 10,000 to
# CIFAR-10 by models of CIFAR-10 (blog post "Per-Sample Gradients Show What Your Generative Model Knows").
#
#   bash paper_figure_scripts/create_pull_figure.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
models glow "${TRAINED[@]}"
draw plots.likelihood_histogram_comparison "${MODELS[@]}" --output "$FIGURES/pull_likelihoods"
ALL_SETS=("$IN" "$OUT") # so that no third set stretches the axis
models glow "$IN"
draw plots.summary_statistic_histograms.anomaly_score "${MODELS[@]}" --anomaly_detection gradients_L2_norms_gaussian \
    --batch_size 5 --output "$FIGURES/pull_scores"
