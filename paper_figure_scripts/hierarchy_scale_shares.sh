#!/usr/bin/env bash
# What every scale of a Glow contributes to log p(x), in and out of distribution.
# First paper (Schirrmeister et al., 2020, arXiv 2006.10848): the figure of likelihood contributions per scale.
# Printed there: numbers not at hand; by the abstract low-level features are mainly captured at early scales, and the last
# scale's contribution alone detects high-level differences remarkably well.
#
#   bash paper_figure_scripts/hierarchy_scale_shares.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
hierarchy
draw plots.scale_shares "${HIERARCHY[@]}" --output "$FIGURES/hierarchy_scale_shares"
