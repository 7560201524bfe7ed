# shellcheck shell=bash disable=SC2034
# What all scripts of this folder share; they source it. Settings of each SCALE are in scales.sh.
#
#   SCALE=small   default: embedded clothes, digits and photographs, small models; minutes on two cores
#   SCALE=dev     CIFAR-10, SVHN and a general set; two to three hours on two cores
#   SCALE=paper   the papers' sets and sizes, for a GPU
#   SCALE=test    as small, a few steps only: shows that a script runs, and nothing else
#
# Other settings, from the environment (see scales.sh for what a scale makes of them):
#   GENERAL       the general image set, on which the hierarchies start
#   IMAGE_SETS    the sets that are judged, blanks between: the first is in-distribution, the second its first opponent
#   TRAIN_SETS    those of them that models learn, the first one among them
#   CIFAR10, SVHN where dev finds these, such as array:/data/cifar10
#   FAMILIES      of models, where a figure shows several (default: glow vae pixelcnn diffusion)
#   LIMIT         images of each test set, of every family; "all" for all
#   RUNS          where runs are kept (default: figures-SCALE in INVGLOW_RUNS or runs)
#   FIGURES       where figures and tables go (default: SCALE in INVGLOW_FIGURES or figures)
#   PYTHON        the interpreter (default: that of .venv, which make demo makes, else python3)
set -euo pipefail
if ((BASH_VERSINFO[0] < 4 || (BASH_VERSINFO[0] == 4 && BASH_VERSINFO[1] < 4))); then
    echo "error: these scripts need bash 4.4 or newer, and this is $BASH_VERSION: install a newer one." >&2
    exit 2
fi
FOLDER="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
SCRIPT="$(cd "$(dirname "$0")" && pwd)/$(basename "$0")"
cd "$FOLDER/.."

header() { # FILE: its comment at the top
    sed -n '2,/^[^#]/{/^# shellcheck/d;/^#/{s/^# \{0,1\}//;p;};}' "$1"
}
case "${1:-}" in
    "") ;;
    -h | --help)
        header "$SCRIPT"
        echo
        header "$FOLDER/common.sh"
        exit 0
        ;;
    *)
        echo "error: $(basename "$0") takes no arguments but --help, and got $1; settings come from the environment." >&2
        exit 2
        ;;
esac

if [ -z "${PYTHON:-}" ]; then
    PYTHON=python3
    if [ -x .venv/bin/python ]; then PYTHON=.venv/bin/python; fi
fi
SCALE="${SCALE:-small}"
# shellcheck source=paper_figure_scripts/scales.sh
source "$FOLDER/scales.sh"
RUNS="${RUNS:-${INVGLOW_RUNS:-runs}/figures-$SCALE}"
FIGURES="${FIGURES:-${INVGLOW_FIGURES:-figures}/$SCALE}"
mkdir -p "$RUNS" "$FIGURES"
read -r -a ALL_SETS <<<"$IMAGE_SETS"
read -r -a TRAINED <<<"$TRAIN_SETS"
read -r -a ALL_FAMILIES <<<"${FAMILIES:-glow vae pixelcnn diffusion}"
IN="${ALL_SETS[0]}" OUT="${ALL_SETS[1]}"

introduce() { # say what the calling script reproduces, and with what
    header "$SCRIPT"
    echo "SCALE=$SCALE: in-distribution $IN; others ${ALL_SETS[*]:1}; runs in $RUNS, figures in $FIGURES"
}

once() { # STAMP WORD...: run a command unless the same one has finished before
    local stamp="$1"
    shift
    if [ "$(cat "$stamp" 2>/dev/null)" = "$*" ]; then return; fi
    echo "+ $*"
    "$@" || return
    mkdir -p "$(dirname "$stamp")"
    printf '%s\n' "$*" >"$stamp"
}

short() { # SET: a name for folders, cifar10 of array:/data/cifar10
    local name="${1##*[:/]}"
    echo "${name//[^A-Za-z0-9_.-]/-}"
}

run_of() { # NAME SET: the folder of a run, such as vae-mnist; the general model is Glow's of the general set
    if [ "$1 $2" = "glow $GENERAL" ]; then echo "$RUNS/general"; else echo "$RUNS/$1-$(short "$2")"; fi
}

train() { # RUN OPTION...: train a run; killed, the same call goes on where it was
    local run="$1"
    shift
    if [ ! -f "$run/model.safetensors" ]; then rm -f "$run/trained"; fi
    once "$run/trained" "$PYTHON" main.py train --run "$run" "$@"
}

train_general() {
    train "$RUNS/general" --data "$GENERAL" "${GENERAL_TRAINING[@]}"
}

train_glow() { # SET: from the general model, which is trained on for as many steps along with the first set's
    train_general
    if [ "$1" = "$GENERAL" ]; then return; fi
    local equal=--no-equal-training
    if [ "$1" = "$IN" ]; then equal="$EQUAL"; fi
    train "$(run_of glow "$1")" --data "$1" --base "$RUNS/general" "$equal" \
        --evaluate-on "$OUT" "${SPECIFIC_TRAINING[@]}"
}

# The general model of every set's ratio: where it is trained on, for as many steps as all sets' models.
EQUAL_GENERAL="$(run_of glow "$IN")/general"
if [ "$EQUAL" = --no-equal-training ]; then EQUAL_GENERAL="$RUNS/general"; fi

train_variant() { # class, margin or labels: from the general model on the first set, with another loss
    train_general
    local options=(--outlier-loss "$1")
    if [ "$1" = labels ]; then options=(--labels); fi
    train "$(run_of "glow-$1" "$IN")" --data "$IN" --base "$RUNS/general" --no-equal-training \
        "${options[@]}" "${VARIANT_TRAINING[@]}"
}

train_family() { # vae, pixelcnn or diffusion, and SET: from scratch
    local options=("${VAE_TRAINING[@]}")
    if [ "$1" = pixelcnn ]; then options=("${PIXELCNN_TRAINING[@]}"); fi
    if [ "$1" = diffusion ]; then
        options=("${DIFFUSION_TRAINING[@]}")
        require diffusers "pip install 'invglow[diffusion]'" || return
    fi
    train "$(run_of "$1" "$2")" --model "$1" --data "$2" "${options[@]}"
}

train_model() { # FAMILY SET
    if [ "$1" = glow ]; then train_glow "$2"; else train_family "$1" "$2"; fi
}

models() { # FAMILY SET...: train one on each; MODELS is then how figures name them, and what to judge
    local family="$1" set generals=()
    shift
    select_images "$family"
    MODELS=("$family")
    for set in "$@"; do
        train_model "$family" "$set"
        MODELS+=("$(run_of "$family" "$set")")
        generals+=("$EQUAL_GENERAL")
    done
    MODELS+=(--id_datasets "$@" --datasets "${ALL_SETS[@]}" "${SELECTION[@]}" --compute)
    case "$family" in
    glow) MODELS+=(--general "${generals[@]}") ;;
    diffusion) MODELS+=(--evaluation_setting evaluation=timestep "timestep=$TIMESTEP") ;;
    esac
}

hierarchy() { # train the two Glows; HIERARCHY is then how the first paper's figures name them, and what to judge
    train_glow "$IN"
    select_images glow
    HIERARCHY=(--run "$(run_of glow "$IN")" --in-distribution "$IN" --out-of-distribution "${ALL_SETS[@]:1}"
        "${SELECTION[@]}" --compute)
}

require() { # PACKAGE HOW: stop with a sentence unless the package is there
    if "$PYTHON" -c "import importlib.util as u, sys; sys.exit(u.find_spec('$1') is None)"; then return; fi
    echo "error: $(basename "$0") needs the package $1, which $PYTHON does not have: $2" >&2
    return 2
}

select_images() { # FAMILY: SELECTION is then which images, as statistics and figures take it
    local limit="${LIMIT:-${LIMITS[$1]}}"
    SELECTION=("${GREY[@]}")
    if [ "$limit" != all ]; then SELECTION+=(--limit "$limit"); fi
}

statistics() { # FAMILY SET GROUP_SIZE: likelihoods and gradient norms of all sets under a model, kept in its run
    local run words=()
    train_model "$1" "$2"
    run="$(run_of "$1" "$2")"
    select_images "$1"
    if [ "$1" = diffusion ]; then words=(--timestep "$TIMESTEP"); fi
    once "$run/statistics/$3.computed" "$PYTHON" main.py statistics --run "$run" --data "${ALL_SETS[@]}" \
        --statistics likelihood gradients --group-size "$3" "${SELECTION[@]}" "${words[@]}"
}

samples() { # RUN [TEMPERATURE]: let its model draw images; ARRAY is then the file of them
    local temperature="${2:-1}"
    ARRAY="$1/samples-$DRAWN-temperature$temperature.npz"
    once "$ARRAY.drawn" "$PYTHON" main.py sample --run "$1" --n "$DRAWN" --temperature "$temperature" --array "$ARRAY"
}

draw() { # MODULE OPTION...: draw a figure or write a table from kept statistics
    echo "+ $PYTHON -m $*"
    "$PYTHON" -m "$@"
}

show() { # TABLE: print its Markdown
    echo
    cat "$1.md"
    echo
}

side_by_side() { # FUNCTION FUNCTION: both at once, each on half of the cores; one after the other if LANES=1
    if [ "$LANES" = 1 ]; then
        "$1"
        "$2"
        return
    fi
    local cores threads first second failed=0
    cores="$(getconf _NPROCESSORS_ONLN)"
    threads="${OMP_NUM_THREADS:-$((cores > 2 ? cores / 2 : 1))}"
    OMP_NUM_THREADS="$threads" "$1" &
    first=$!
    OMP_NUM_THREADS="$threads" "$2" &
    second=$!
    wait "$first" || failed=1
    wait "$second" || failed=1
    return "$failed"
}
