#!/usr/bin/env bash
# Ranks of the likelihoods of the same images under Glows that learned different sets, and Spearman's coefficient.
# First paper (Schirrmeister et al., 2020, arXiv 2006.10848): figure 2 B.
# Printed there, by the caption (as quoted at liner.com/review): almost perfect rank correlation of the CIFAR10- and the
# Tiny-Glow on all three sets, very close to 1 for the CIFAR10- and the SVHN-Glow. The numbers are not at hand.
#
#   bash paper_figure_scripts/hierarchy_rank_correlation.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
hierarchy
others=()
for set in "${TRAINED[@]:1}"; do
    if [ "$set" = "$GENERAL" ]; then continue; fi
    train_glow "$set"
    others+=("$(run_of glow "$set")")
done
draw plots.rank_correlation "${HIERARCHY[@]}" --others "$EQUAL_GENERAL" "${others[@]}" \
    --output "$FIGURES/hierarchy_rank_correlation"
