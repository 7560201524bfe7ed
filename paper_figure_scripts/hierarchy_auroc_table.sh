#!/usr/bin/env bash
# AUROC of raw likelihood, last scale, and ratios to the general model and to PNG, of Glows trained with every loss.
# First paper (Schirrmeister et al., 2020, arXiv 2006.10848): its tables of AUROC, with outlier losses and with classes.
# Printed there: the numbers are not at hand; by the abstract the ratio and the last scale are strong without supervision,
# and the outlier loss improves them further.
#
#   bash paper_figure_scripts/hierarchy_auroc_table.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
hierarchy
runs=("$(run_of glow "$IN")")
for loss in "${LOSSES[@]}"; do
    train_variant "$loss"
    runs+=("$(run_of "glow-$loss" "$IN")")
done
draw plots.hierarchy_table "${HIERARCHY[@]}" --run "${runs[@]}" --general "$EQUAL_GENERAL" \
    --output "$FIGURES/hierarchy_auroc_table"
show "$FIGURES/hierarchy_auroc_table"
