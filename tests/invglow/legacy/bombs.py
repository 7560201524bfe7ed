"""Pickles of 300 kB that would make a reader work for hours: the same few objects, named again and again."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["BOMBS"]

SIZE = 300_000
COPIED = 100_000
LAYER = b"cinvglow.invertible.graph\n%b\n"
STORAGE = b"(Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI4\n%bt"
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"
NESTED, OBJECT, FUNCTION, ARGUMENTS = range(1, 5)


def put(place: int) -> bytes:
    """Keep what comes last in a place, and go on without it."""
    return b"q%c0" % place


def get(place: int) -> bytes:
    return b"h%c" % place


def text(value: str) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def repeated(head: bytes, part: bytes) -> bytes:
    """Return a pickle of the head and as many times the part as there is room for."""
    return head + part * ((SIZE - len(head)) // len(part)) + b"."


def nested() -> bytes:
    """Keep a tuple of four tuples of four tuples, and so on: 4 ** 26 of them."""
    return b"N\x85" + put(NESTED) + (b"(" + 4 * get(NESTED) + b"t" + put(NESTED)) * 26


def calls(function: bytes, arguments: bytes, kept: bytes, code: bytes = b"R") -> bytes:
    """Call a function with the object that is kept, as often as there is room for."""
    head = kept + put(OBJECT) + function + put(FUNCTION) + arguments + put(ARGUMENTS) + b"N"
    return repeated(head, get(FUNCTION) + get(ARGUMENTS) + code + b"0")


def layer(kind: bytes, modules: bytes) -> bytes:
    state = b"}(V_modules\n" + modules + b"V_parameters\n}V_buffers\n}u"
    return LAYER % kind + b")\x81" + state + b"b"


def graph_of_many_ends() -> bytes:
    """Return a graph of 90 nodes, one after the other, that 10,000 scales end in."""
    chain = layer(b"Node", b"}") + put(OBJECT)
    for _ in range(90):
        before = layer(b"ModuleList", b"}(" + text("0") + get(OBJECT) + b"u")
        chain += layer(b"Node", b"}(" + text("prev") + before + b"u") + put(OBJECT)
    ends = b"".join(text(f"{i:x}") + get(OBJECT) for i in range(10_000))
    return (
        chain
        + layer(b"CatAsListNode", b"}(Vprev\n" + layer(b"ModuleList", b"}(" + ends + b"u") + b"u")
        + b"."
    )


def graph_that_follows_itself() -> bytes:
    """Return a graph whose one node follows itself, and has 20,000 other parts to look through."""
    node, parts, before = OBJECT, FUNCTION, ARGUMENTS
    start = b"}" + put(parts) + layer(b"Node", get(parts)) + put(node)
    others = b"".join(text(f"{i:x}") + b"N" for i in range(20_000))
    listed = layer(b"ModuleList", b"}(V0\n" + get(node) + b"u") + put(before)
    filled = get(parts) + b"(Vprev\n" + get(before) + others + b"u0"
    end = layer(b"CatAsListNode", b"}(Vprev\n" + get(before) + b"u")
    return start + listed + filled + end + b"."


def graph_of_long_names() -> bytes:
    return layer(b"CatAsListNode", b"}(" + text("prev" * 50_000) + b"Nu") + b"."


def pickles() -> Iterator[tuple[str, bytes]]:
    """Yield what is tried and the pickle, without its first two bytes."""
    many = b"](" + b"N" * COPIED + b"e"
    as_tuple, as_dict = (
        b"(" + b"N" * COPIED + b"t",
        b"}(" + b"".join(text(str(i)) + b"N" for i in range(9000)) + b"u",
    )
    one = get(OBJECT) + b"\x85"
    yield "key", nested() + b"}" + get(NESTED) + b"Ns."
    yield "keys", nested() + b"}(" + get(NESTED) + b"Nu."
    yield "dictionary at once", nested() + b"(" + get(NESTED) + b"Nd."
    yield "key of pairs", nested() + b"ccollections\nOrderedDict\n]" + get(NESTED) + b"N\x86a\x85R."
    yield "set", nested() + b"\x8f(" + get(NESTED) + b"\x90."
    yield "frozen set", nested() + b"(" + get(NESTED) + b"\x91."
    yield "key of long parts", nested() + b"}N" + get(NESTED) + b"\x86Ns."
    yield (
        "large number as key",
        repeated(
            b"\x8b" + COPIED.to_bytes(4, "little") + b"\x7f" * COPIED + put(OBJECT) + b"}",
            get(OBJECT) + b"Ns",
        ),
    )
    for name in ("torch\nSize", "__builtin__\nset"):
        yield f"copies of {name.split()[-1]}", calls(f"c{name}\n".encode(), one, many)
    yield "copies of OrderedDict", calls(b"ccollections\nOrderedDict\n", one, as_dict)
    yield "arguments", calls(LAYER % b"Node", get(OBJECT), as_tuple)
    yield "arguments of a class", calls(LAYER % b"Node", get(OBJECT), as_tuple, b"\x81")
    yield "letters as arguments", calls(LAYER % b"Node", get(OBJECT), text("a" * COPIED))
    yield "outside object", repeated(STORAGE % (b"N" * COPIED) + put(OBJECT) + b"N", get(OBJECT) + b"Q0")
    yield (
        "dimensions",
        TENSOR + b"(" + STORAGE % b"" + b"QI0\n" + 2 * (b"(" + b"M\xff\xff" * 45_000 + b"t") + b"I00\n)tR.",
    )
    yield (
        "name of a module",
        repeated(
            text("invglow." + "a" * COPIED) + put(OBJECT) + text("B") + put(FUNCTION) + b"N",
            get(OBJECT) + get(FUNCTION) + b"\x930",
        ),
    )
    yield "classes", b"N" + b"".join(LAYER % b"%x" % i + b"0" for i in range(8000)) + b"."
    yield "ends of a graph", graph_of_many_ends()
    yield "circle", graph_that_follows_itself()
    yield "name of a part", graph_of_long_names()


BOMBS = {name: b"\x80\x02" + content for name, content in pickles()}
