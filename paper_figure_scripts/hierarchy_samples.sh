#!/usr/bin/env bash
# Images that the specific and the general Glow of a hierarchy draw.
# First paper (Schirrmeister et al., 2020, arXiv 2006.10848): the samples of its models.
# Printed there: pictures without numbers.
#
#   bash paper_figure_scripts/hierarchy_samples.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
hierarchy
arrays=()
for run in "$(run_of glow "$IN")" "$EQUAL_GENERAL"; do
    for temperature in 1 0.7; do
        samples "$run" "$temperature"
        arrays+=("$ARRAY")
    done
done
draw plots.model_samples.array "${arrays[@]}" --n "$DRAWN" --columns 4 --output "$FIGURES/hierarchy_samples"
