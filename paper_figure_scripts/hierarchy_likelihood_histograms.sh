#!/usr/bin/env bash
# Histograms of log p(x) under the specific and the general Glow, and of their difference, in and out of distribution.
# First paper (Schirrmeister et al., 2020, arXiv 2006.10848): figure 2, C and D.
# Printed there, by the caption (as quoted at liner.com/review): almost identical plots for the CIFAR10- and the Tiny-Glow
# with a low AUC of CIFAR10 against SVHN; substantially higher AUCs by the difference. The numbers are not at hand.
#
#   bash paper_figure_scripts/hierarchy_likelihood_histograms.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
hierarchy
draw plots.likelihood_histograms "${HIERARCHY[@]}" --output "$FIGURES/hierarchy_likelihood_histograms"
