"""Graphs of parameters, pulled back for many groups and many graphs at once, against autograd."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from anomaly_methods.extractors.gradient_norms.programs import Programs, compiled

Build = Callable[[Tensor, Tensor, Tensor], list[Tensor]]  # of a vector (4,), a matrix (4, 4) and a number

GROUPS = 3
EYE = torch.eye(4, dtype=torch.float64)

GRAPHS: dict[str, Build] = {
    "folded scale": lambda v, m, _: [(3 * v).exp().view(-1, 1, 1, 1), m * v.exp(), v.exp() * v],
    "sums": lambda v, m, s: [v + 2 * s - m, v.sub(s, alpha=3), torch.add(m, v, alpha=0.5), m + 1],
    "quotients": lambda v, m, s: [v / m.exp(), 1 / s.exp(), m / 7],
    "elementwise": lambda v, m, s: [
        -v.sigmoid(),
        (v.exp() + 1).log(),
        m.tanh() * s,
        v.square(),
        m.exp() ** 0.5,
    ],
    "products of matrices": lambda v, m, _: [(m @ m) @ v, m.t() @ EYE[:, :2] * v[:, None], EYE @ m],
    "triangles": lambda v, m, _: [(m.tril(-1) + EYE) @ (m.triu(1) + torch.diag(v.exp()))],
    "diagonals": lambda v, m, _: [torch.diag(v, 1), torch.diag_embed(m, dim1=0, dim2=-1)],
    "determinant": lambda v, m, _: [16 * torch.linalg.slogdet(m + 5 * EYE)[1], m * v],
    "shapes": lambda v, m, _: [m.t().reshape(2, 8), v[None, :, None], m.clone()[None].expand(3, 4, 4)],
    "broadcasts": lambda v, m, s: [(s * 16).expand(5), v.sum() * m, s * torch.ones(2, 1, 4) * v],
    "the parameters themselves": lambda v, m, s: [v, m, s, v],
}


def parameters(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes: list[tuple[int, ...]] = [(4,), (4, 4), ()]
    return [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]


def by_autograd(roots: list[Tensor], gradients: list[Tensor], leaves: list[Tensor]) -> list[Tensor]:
    """Return the gradients (GROUPS, *shape) of the leaves, one group after the other."""
    rows = [
        torch.autograd.grad(roots, leaves, group, retain_graph=True, materialize_grads=True)
        for group in zip(*gradients, strict=True)
    ]
    return [torch.stack(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("graphs", [1, 3])
def test_gradients_are_those_of_autograd(name: str, graphs: int) -> None:
    generator = torch.Generator().manual_seed(0)
    leaves = [parameters(seed) for seed in range(graphs)]
    roots = [GRAPHS[name](*own) for own in leaves]
    gradients = [
        [torch.randn(GROUPS, *root.shape, generator=generator, dtype=torch.float64) for root in own]
        for own in roots
    ]
    programs = Programs()
    found = [graph for graph in map(programs.compiled, roots) if graph is not None]
    assert len(found) == graphs
    with torch.no_grad():
        results = found[0].program.run(programs.saved(found), gradients)
    for place, graph in enumerate(found):
        assert graph.program is found[0].program
        assert programs.compiled(roots[place]) is graph
        by_id = {id(leaf): leaf for leaf in leaves[place]}
        own = [by_id[key] for key in graph.parameters]
        for result, expected in zip(results, by_autograd(roots[place], gradients[place], own), strict=True):
            torch.testing.assert_close(result[place], expected)


def test_graphs_of_another_structure_have_another_program() -> None:
    vector, matrix, number = parameters(0)
    others = [
        [vector.exp()],
        [vector.exp(), vector.exp()],
        [matrix.exp()],
        [vector + 2 * number],
        [torch.add(vector, number, alpha=3)],
        [vector * EYE],
        [vector * EYE[:1]],
        [matrix.tril()],
        [matrix.tril(1)],
        [vector],
        [matrix],
    ]
    programs = [graph.program for graph in map(compiled, others) if graph is not None]
    assert len(set(programs)) == len(others)


def test_what_has_no_rule_is_left_to_autograd() -> None:
    vector, matrix, _ = parameters(0)
    assert compiled([vector.exp(), torch.erf(matrix)]) is None
    assert compiled([torch.linalg.qr(matrix)[1] * vector]) is None
    assert compiled([torch.linalg.slogdet(matrix @ matrix)[1], matrix.cumsum(0)]) is None
