"""The graph of nodes of a pickled model: which layers belong to which scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from invglow.legacy.part import Part

__all__ = ["Scale", "body_scales", "class_branches", "layers_of"]

# Far more nodes than any model has from its images to one latent.
LONGEST_CHAIN = 100


@dataclass(frozen=True)
class Scale:
    """The parts of one scale.

    Attributes:
        flow: the layers from the squeeze on, in order.
        actnorm: of the flattened latent.
        normal: the distribution of what comes out of it; None in the body of a class-conditional model.
    """

    flow: list[Part]
    actnorm: Part
    normal: Part | None


def layers_of(part: Part) -> list[Part]:
    """Return the layers of a sequence, and of the sequences in it, in order."""
    return list(_layers(part, set()))


def _layers(part: Part, entered: set[int]) -> Iterator[Part]:
    if part.kind not in ("InvertibleSequential", "Sequential"):
        yield part
        return
    # A few sequences, each twice in the next, would be more layers than any memory holds.
    if id(part.record) in entered:
        raise part.refusal("is one of layers that contain themselves or come twice")
    entered.add(id(part.record))
    is_outer = part.kind == "InvertibleSequential"
    for child in [part.part("sequential").require_kind("Sequential")] if is_outer else part.parts():
        yield from _layers(child, entered)


def body_scales(end: Part) -> list[Scale]:
    """Return the scales of a model, finest first, from the node in which they come together."""
    ends = end.part("prev").parts()
    if not ends:
        raise end.refusal("has no scales")
    chains = [list(_chain(node)) for node in ends]
    has_normals = end.kind == "CatAsListNode"
    scales = [_scale(chain, i, len(chains), has_normals=has_normals) for i, chain in enumerate(chains)]
    for i, chain in enumerate(chains):
        same = all(
            scale.flow[0].record is layer[0].record
            for scale, layer in zip(scales, _flows(chain), strict=False)
        )
        if not same:
            raise ends[i].refusal("is not behind the same layers as the other scales")
    return scales


def class_branches(node: Part, boundaries: list[int]) -> list[tuple[Part, Part]]:
    """Return, of one class, the ActNorm and the distribution of the latent of every scale.

    Args:
        node: in which the scales of the class come together.
        boundaries: between the latents, which follow each other in one long vector.
    """
    ends = node.require_kind("Node").part("prev").parts()
    if len(ends) != 1 or ends[0].kind != "CatAsListNode":
        raise node.refusal("was expected to follow the list of its distributions")
    indices, branches = [], []
    for end in ends[0].part("prev").parts():
        chain = list(_chain(end))
        if len(chain) != 4 or _signs(chain)[2:] != ["A", "D"] or chain[1].kind != "SelectNode":
            raise end.refusal("was expected to follow an ActNorm of one latent")
        chain[0].part("module").require_kind("ChunkByIndices").require(indices=tuple(boundaries))
        indices.append(chain[1].attribute("index"))
        branches.append((_actnorm(chain[2]), chain[3].part("module")))
    if indices != list(range(len(boundaries) + 1)):
        raise node.refusal("was expected to have one distribution for each latent, in order")
    return branches


def _chain(node: Part) -> Iterator[Part]:
    """Yield the nodes from the images to this one."""
    nodes = [node]
    while nodes[-1].has_part("prev"):
        before = nodes[-1].part("prev").parts()
        if len(before) != 1 or len(nodes) > LONGEST_CHAIN:
            raise nodes[-1].refusal("was expected to follow one other node")
        nodes.append(before[0])
    yield from reversed(nodes)


def _scale(chain: list[Part], i: int, scales: int, *, has_normals: bool) -> Scale:
    is_last = i == scales - 1
    # Flow after flow, the second half of the channels goes on (C 1); of the last, the first is the latent.
    expected = ["F"] + ["C", "1", "F"] * i + ([] if is_last else ["C", "0"]) + ["A"] + ["D"] * has_normals
    signs = _signs(chain)
    if signs != expected:
        raise chain[-1].refusal(f"ends a scale of other parts ({' '.join(signs)}) than {' '.join(expected)}")
    latent = chain[-2] if has_normals else chain[-1]
    normal = chain[-1].part("module") if has_normals else None
    return Scale(_flows(chain)[-1], _actnorm(latent), normal)


def _flows(chain: list[Part]) -> list[list[Part]]:
    return [
        layers_of(node.part("module")) for node, sign in zip(chain, _signs(chain), strict=True) if sign == "F"
    ]


def _signs(chain: list[Part]) -> list[str]:
    """Return one letter for each node: flow, chunk in halves, index of one of them, ActNorm, distribution."""
    return [_sign(node) for node in chain]


def _sign(node: Part) -> str:
    if node.kind == "SelectNode":
        return str(node.attribute("index"))
    module = node.require_kind("Node").part("module")
    if module.kind == "ChunkChans":
        module.require(n_parts=2)
        return "C"
    kinds = [layer.kind for layer in layers_of(module)]
    if kinds == ["Flatten2d", "ActNorm"]:
        return "A"
    return {"SubsampleSplitter": "F", "Unlabeled": "D", "ChunkByIndices": "K"}.get(
        kinds[0] if kinds else "", "?"
    )


def _actnorm(node: Part) -> Part:
    return layers_of(node.part("module"))[1]
