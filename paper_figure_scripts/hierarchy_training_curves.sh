#!/usr/bin/env bash
# Bits per dimension and AUROC against the optimizer step, of the specific and of the general Glow.
# First paper (Schirrmeister et al., 2020, arXiv 2006.10848): the training curves of its supplement.
# Printed there: not at hand.
#
#   bash paper_figure_scripts/hierarchy_training_curves.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
hierarchy
draw plots.training_curves --run "$(run_of glow "$IN")" "$EQUAL_GENERAL" --output "$FIGURES/hierarchy_training_curves"
