# shellcheck shell=bash disable=SC2034
# Sets, sizes and lengths of every SCALE; common.sh sources it. Options are those of main.py train.

small_sets() {
    GENERAL="${GENERAL:-general:photos}"
    # Of the digits only test images come along, so photographs are the second set that models learn.
    IMAGE_SETS="${IMAGE_SETS:-demo-fashion-mnist demo-mnist general:photos}"
    TRAIN_SETS="${TRAIN_SETS:-demo-fashion-mnist general:photos}"
    GREY=(--grey)
    # Of the two calculations that need no model.
    SMOOTH_SETS=(demo-mnist demo-fashion-mnist) COLOUR_SETS=(general:photos)
    LANES="${LANES:-2}"
}

colour_sets() {
    GENERAL="${GENERAL:-tiny}"
    GREY=()
}

# Of the Glows that learn to tell what does not belong, or classes; sets without labels cannot have `labels`.
read -r -a LOSSES <<<"${OUTLIER_LOSSES:-margin class labels}"

# Likelihoods are comparable after equal training (docs/results.md).
EQUAL=--equal-training

case "$SCALE" in
small)
    small_sets
    # The costlier the gradients of a family, the fewer images.
    declare -A LIMITS=([glow]=1000 [vae]=1000 [pixelcnn]=500 [diffusion]=300)
    # Samples of a model for its Fisher matrix; a PixelCNN draws them pixel by pixel.
    declare -A FISHER_SAMPLES=([glow]=500 [vae]=500 [pixelcnn]=100 [diffusion]=100)
    TIMESTEPS="1 10 40 160" TIMESTEP=10 DRAWN=25
    learned=(--weight-decay 0 --no-augmentation --grey --evaluate-limit 300)
    GENERAL_TRAINING=(--steps 1000 --learning-rate 2e-3 --steps-per-scale 4 --hidden-channels 32 "${learned[@]}")
    SPECIFIC_TRAINING=(--steps 1000 --learning-rate 1.5e-3 --evaluate-every 200 "${learned[@]}")
    VARIANT_TRAINING=(--steps 250 --learning-rate 1.5e-3 "${learned[@]}")
    VAE_TRAINING=(--setting latent_dimensions=32 --steps 1000 --learning-rate 3e-3 "${learned[@]}")
    PIXELCNN_TRAINING=(--setting architecture=plain hidden_channels=24 blocks=4 --steps 400 --batch-size 32
        --learning-rate 5e-3 "${learned[@]}")
    DIFFUSION_TRAINING=(--setting "channels=16,32" attention=false timesteps=200 first_beta=5e-4 last_beta=0.1
        terms=4 noise_samples=1 --steps 500 --batch-size 32 --learning-rate 3e-3 "${learned[@]}" --evaluate-limit 50)
    ;;
test)
    small_sets
    declare -A LIMITS=([glow]=110 [vae]=110 [pixelcnn]=110 [diffusion]=110) # methods fit on ten groups of five
    declare -A FISHER_SAMPLES=([glow]=10 [vae]=10 [pixelcnn]=10 [diffusion]=10)
    TIMESTEPS="1 5" TIMESTEP=5 DRAWN=4
    learned=(--steps 3 --batch-size 8 --limit 40 --weight-decay 0 --no-augmentation --grey --evaluate-limit 10)
    GENERAL_TRAINING=(--scales 2 --steps-per-scale 1 --hidden-channels 4 "${learned[@]}")
    SPECIFIC_TRAINING=("${learned[@]}")
    VARIANT_TRAINING=("${learned[@]}")
    VAE_TRAINING=(--setting latent_dimensions=4 hidden_channels=4 "${learned[@]}")
    PIXELCNN_TRAINING=(--setting architecture=plain hidden_channels=8 blocks=1 "${learned[@]}")
    DIFFUSION_TRAINING=(--setting channels=8 attention=false timesteps=10 terms=2 noise_samples=1 timestep=5
        "${learned[@]}")
    ;;
dev)
    colour_sets
    LANES="${LANES:-2}"
    IMAGE_SETS="${IMAGE_SETS:-${CIFAR10:-cifar10} ${SVHN:-svhn}}"
    TRAIN_SETS="${TRAIN_SETS:-${CIFAR10:-cifar10} ${SVHN:-svhn}}"
    SMOOTH_SETS=(mnist) COLOUR_SETS=("${CIFAR10:-cifar10}" "${SVHN:-svhn}")
    declare -A LIMITS=([glow]=2000 [vae]=2000 [pixelcnn]=1000 [diffusion]=500)
    declare -A FISHER_SAMPLES=([glow]=1000 [vae]=1000 [pixelcnn]=100 [diffusion]=100)
    TIMESTEPS="1 16 64 256 768" TIMESTEP=16 DRAWN=36
    # Of the Glows as hierarchy_cifar10_svhn.sh has them, which goes on with these runs.
    learned=(--weight-decay 0 --evaluate-every 1000 --evaluate-limit 500)
    GENERAL_TRAINING=(--steps "${GENERAL_STEPS:-7000}" --learning-rate 2e-3 --steps-per-scale 8 --hidden-channels 64
        "${learned[@]}")
    SPECIFIC_TRAINING=(--steps "${SPECIFIC_STEPS:-3000}" --learning-rate 1e-3 "${learned[@]}")
    VARIANT_TRAINING=(--steps 1000 --learning-rate 1e-3 "${learned[@]}")
    # Of the others as the presets vae-cifar10, pixelcnn-cifar10 and diffusion-cifar10 have them.
    learned=(--weight-decay 0 --evaluate-limit 200)
    VAE_TRAINING=(--setting latent_dimensions=128 --steps 2500 --batch-size 64 --learning-rate 2e-3
        --evaluate-every 2500 "${learned[@]}")
    PIXELCNN_TRAINING=(--setting hidden_channels=24 --steps 1000 --batch-size 16 --learning-rate 6e-3
        --evaluate-every 1000 "${learned[@]}")
    DIFFUSION_TRAINING=(--setting training=bound --steps 1400 --batch-size 16 --learning-rate 4e-3
        --evaluate-every 1400 "${learned[@]}")
    ;;
paper)
    colour_sets
    LANES="${LANES:-1}"
    IMAGE_SETS="${IMAGE_SETS:-cifar10 svhn celeba gtsrb imagenet32}"
    TRAIN_SETS="${TRAIN_SETS:-$IMAGE_SETS}"
    SMOOTH_SETS=(mnist) COLOUR_SETS=(cifar10 svhn)
    declare -A LIMITS=([glow]=all [vae]=all [pixelcnn]=all [diffusion]=all)
    declare -A FISHER_SAMPLES=([glow]=1000 [vae]=1000 [pixelcnn]=1000 [diffusion]=1000)
    TIMESTEPS="1 16 64 256 768" TIMESTEP=16 DRAWN=64
    # As in the first paper, the general model is not trained on.
    EQUAL=--no-equal-training
    # Sizes and optimization are the papers', lengths are not at hand and so ours (docs/presets.md).
    learned=(--batch-size 64 --learning-rate 5e-4 --weight-decay 5e-5)
    GENERAL_TRAINING=(--steps 1000000 --scales 3 --steps-per-scale 32 --hidden-channels 512 "${learned[@]}")
    SPECIFIC_TRAINING=(--epochs 250 "${learned[@]}")
    VARIANT_TRAINING=(--epochs 250 "${learned[@]}")
    learned=(--batch-size 64 --learning-rate 5e-4 --weight-decay 0)
    VAE_TRAINING=(--setting latent_dimensions=128 hidden_channels=64 --epochs 250 "${learned[@]}")
    PIXELCNN_TRAINING=(--setting hidden_channels=160 blocks=5 mixtures=10 --epochs 250 "${learned[@]}")
    DIFFUSION_TRAINING=(--setting "channels=128,256,256,256" layers_per_block=2 --steps 800000 "${learned[@]}")
    ;;
*)
    echo "error: there is no SCALE $SCALE: choose small, dev or paper." >&2
    exit 2
    ;;
esac
