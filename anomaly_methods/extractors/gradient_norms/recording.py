"""Recording what torch computes from images, below autograd, to run it again on other images."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from anomaly_methods.extractors.gradient_norms.kinds import tensors_in
from anomaly_methods.extractors.gradient_norms.recorded import Recorded, Step, require

__all__ = ["Recording", "UnrecordableError"]

_PLACE = "_gradient_norms_place"  # an attribute: dictionaries with weak keys take several times as long
_IMAGES = 0
_SAME = {torch.ops.aten.detach.default, torch.ops.aten.alias.default}  # of what autograd does not see


class UnrecordableError(Exception):
    """The computation depends on its images in a way that no list of functions can repeat."""


class Recording(TorchDispatchMode):
    """While it is entered, note every call of torch's functions that depends on the images.

    What depends on no image is not computed again: it may only depend on what stays as it is. Decisions that
    depend on images must come out the same, which every run checks.

    Args:
        x: images, of which there will be others of the same shape, type and place.
        scratch: addresses of memory whose contents are used up before it is written again.
    """

    def __init__(self, x: Tensor, scratch: Collection[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch does not declare it
        self._values: list[Any] = [None]
        self._steps: list[Step] = []
        self._scratch = scratch
        self._written: set[int] = set()  # of the scratch
        setattr(x, _PLACE, (self, _IMAGES))

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here. Otherwise torch would import its compiler, which takes a second."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func in _SAME:
            place = self._place_of(args[0])
            if place is not None:
                setattr(result, _PLACE, (self, place))
            return result
        given = tensors_in((args, kwargs))
        if given and not any(map(self._is_live, given)):
            if any(True for _ in _changed(func, args, kwargs)):
                raise UnrecordableError(f"{func} changes what does not depend on images")
            return result
        if _has_shape_of_values(func, given):
            raise UnrecordableError(f"{func} returns as many numbers as the images have it")
        self._note_changed(func, _changed(func, args, kwargs))
        self._note(func, args, kwargs, result)
        return result

    def finish(self, outputs: Mapping[str, Tensor]) -> Recorded:
        """Return what was recorded; `outputs` are the results."""
        places = {name: self._place(tensor) for name, tensor in outputs.items()}
        return Recorded(self._values, self._steps, places)

    def _place_of(self, tensor: Tensor) -> int | None:
        recording, place = getattr(tensor, _PLACE, (None, None))
        return place if recording is self else None

    def _is_live(self, tensor: Tensor) -> bool:
        return self._place_of(tensor) is not None or _address(tensor) in self._written

    def _note_changed(self, func: Any, changed: Iterable[Tensor]) -> None:
        for tensor in changed:
            if self._place_of(tensor) is None:
                if _address(tensor) not in self._scratch:
                    raise UnrecordableError(f"{func} writes what depends on images into what does not")
                self._written.add(_address(tensor))

    def _note(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        place = self._step(func, args, kwargs)
        if isinstance(result, Tensor):
            setattr(result, _PLACE, (self, place))
        elif isinstance(result, list | tuple):
            for number, part in enumerate(result):
                if isinstance(part, Tensor):
                    setattr(part, _PLACE, (self, self._part(place, number)))
        elif isinstance(result, bool):
            self._decision(place, result)
        elif result is not None:
            raise UnrecordableError(f"{func} takes a number from images")

    def _step(self, func: Callable[..., Any], args: Iterable[Any], kwargs: Mapping[str, Any]) -> int:
        places = tuple(map(self._place, args))
        named = tuple((name, self._place(value)) for name, value in kwargs.items())
        return self._called(func, places, named)

    def _part(self, place: int, number: int) -> int:
        return self._called(operator.getitem, (place, self._constant(number)))

    def _decision(self, place: int, result: bool) -> None:
        self._called(require, (place, self._constant(result)))

    def _called(
        self, func: Callable[..., Any], places: tuple[int, ...], named: tuple[tuple[str, int], ...] = ()
    ) -> int:
        result = self._constant(None)
        self._steps.append(Step(func, places, named, result))
        return result

    def _place(self, value: Any) -> int:
        """Return where the value of an argument will be."""
        if isinstance(value, Tensor):
            place = self._place_of(value)
            return self._constant(value.detach()) if place is None else place
        if isinstance(value, list | tuple) and tensors_in(value):
            return self._called(_listed, tuple(map(self._place, value)))
        return self._constant(value)

    def _constant(self, value: Any) -> int:
        self._values.append(value)
        return len(self._values) - 1


def _changed(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[Tensor]:
    """Yield the arguments that a function writes to."""
    for number, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[number] if number < len(args) else kwargs.get(argument.name)
            yield from tensors_in((value,))


def _has_shape_of_values(func: Any, given: Sequence[Tensor]) -> bool:
    """Whether the shape of a function's result depends on values: indices give it, masks do not."""
    if torch.Tag.dynamic_output_shape not in func.tags:
        return False
    return func._schema.name != "aten::index" or any(tensor.dtype is torch.bool for tensor in given[1:])


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _listed(*values: Any) -> list[Any]:
    return list(values)
