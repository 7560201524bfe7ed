#!/usr/bin/env bash
# Which timestep of a diffusion model tells sets apart, by its loss alone and by the gradients of that loss.
# Second paper (Dauncey et al., 2024, arXiv 2403.01485): the ablation of the diffusion timestep.
# Printed there: not at hand.
#
#   bash paper_figure_scripts/diffusion_ablation_study.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
introduce
train_model diffusion "$IN"
select_images diffusion
read -r -a timesteps <<<"$TIMESTEPS"
draw plots.diffusion_timestep_performance_comparison diffusion "$(run_of diffusion "$IN")" --id_datasets "$IN" \
    --datasets "${ALL_SETS[@]}" "${SELECTION[@]}" --batch_size 5 --compute --timesteps "${timesteps[@]}" \
    --anomaly_detection gradients_L2_norms_gaussian typicality --output "$FIGURES/diffusion_ablation_study"
