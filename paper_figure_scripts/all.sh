#!/usr/bin/env bash
# All figures and tables of both papers: train what is missing, compute, draw; then a list of what took how long.
# Killed at any moment, the same command goes on where it was. What each step prints goes to logs beside the figures.
#
#   bash paper_figure_scripts/all.sh                     # embedded sets, on two cores, in well under 40 minutes
#   SCALE=dev GENERAL=array:/data/general bash paper_figure_scripts/all.sh
#
# ONLY="create_pull_figure model_samples": these scripts alone
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
STARTED=$SECONDS
LOGS="$FIGURES/logs"
TIMES="$LOGS/times.txt"
mkdir -p "$LOGS"
: >"$TIMES"

step() { # NAME COMMAND...: carry it out into a log; note how long it took, and go on where it fails
    local name="$1" started=$SECONDS outcome=ok
    shift
    if [ -n "${ONLY:-}" ] && [[ " $ONLY " != *" ${name%.*} "* ]]; then return; fi
    "$@" >"$LOGS/$name.log" 2>&1 || outcome=FAILED
    printf '%5d s  %-6s  %s\n' "$((SECONDS - started))" "$outcome" "$name" | tee -a "$TIMES"
    if [ "$outcome" = FAILED ]; then tail -n 3 "$LOGS/$name.log" | sed 's/^/         /'; fi
}

script() { # FILE OPTION...
    case "$1" in
    *.py) step "$1" "$PYTHON" "$FOLDER/$1" "${@:2}" --output "$FIGURES/${1%.py}.csv" ;;
    *) step "$1" env RUNS="$RUNS" FIGURES="$FIGURES" SCALE="$SCALE" PYTHON="$PYTHON" bash "$FOLDER/$1" ;;
    esac
}

# What several scripts need is made here, so that two of them can run at a time and neither makes what the other makes.
# A function that fails must say so, hence the `&&`: bash does not stop at failures inside of `step`.
prepare_glow() {
    local set
    for set in "${TRAINED[@]}"; do
        train_model glow "$set" && statistics glow "$set" 1 && statistics glow "$set" 5 || return
    done
    hierarchy
}

prepare_family() { # FAMILY
    local set
    for set in "${TRAINED[@]}"; do
        train_model "$1" "$set" && statistics "$1" "$set" 1 && statistics "$1" "$set" 5 || return
    done
}

of_glow() {
    step train_glow prepare_glow
    script hierarchy_training_curves.sh
    script hierarchy_likelihood_histograms.sh
    script hierarchy_rank_correlation.sh
    script hierarchy_scale_shares.sh
    script hierarchy_auroc_table.sh
    script hierarchy_samples.sh
    script create_pull_figure.sh
    script gradients_histogram_and_scatter.sh
    script entropy_difference_plot.sh
    script autocorrelation_plot.sh
}

of_other_families() {
    local family
    for family in "${ALL_FAMILIES[@]}"; do
        if [ "$family" != glow ]; then step "train_$family" prepare_family "$family"; fi
    done
    script diffusion_ablation_study.sh
    script MNIST_total_variation.py --data "${SMOOTH_SETS[@]}"
    script rgb_hsv_conversion.py --data "${COLOUR_SETS[@]}"
}

of_all_families() {
    script runner_tables.sh
    script comparison_to_fisher.sh
    script appendix_gradient_histograms.sh
}

of_each_family() {
    script FIM_approximation_plot.sh
    script FIM_appendix.sh
    script model_samples.sh
    if [ "$SCALE" = dev ]; then
        export GENERAL CIFAR10="$IN" SVHN="$OUT" RUN GENERAL_RUN="$RUNS/general"
        RUN="$(run_of glow "$IN")"
        script hierarchy_cifar10_svhn.sh
    fi
}

side_by_side of_glow of_other_families
side_by_side of_all_families of_each_family
echo
sort -k 4 "$TIMES"
echo "$((SECONDS - STARTED)) s in all; $(find "$FIGURES" -name '*.pdf' | wc -l) figures and $(find "$FIGURES" -name '*.csv' | wc -l) files of numbers in $FIGURES; what each step printed in $LOGS"
if grep -q FAILED "$TIMES"; then exit 1; fi
