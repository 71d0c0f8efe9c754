"""CBOR as Kinesis' clients write it and as API-S-4 says that a server writes it, without a library between."""
import math
import struct

import cbor2


class Time(int):
    """Milliseconds since 1970 under tag 1, as the Java SDKs write and read them (API-S-3)."""


def encode(value):
    """With definite lengths, by cbor2."""
    return cbor2.dumps(_tagged(value))


def _tagged(value):
    if isinstance(value, Time):
        return cbor2.CBORTag(1, int(value))
    if isinstance(value, dict):
        return {name: _tagged(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_tagged(item) for item in value]
    return value


def encode_java(value):
    """As the Java SDKs write it: maps and arrays of indefinite length."""
    if isinstance(value, dict):
        return b"\xbf" + b"".join(encode_java(k) + encode_java(v) for k, v in value.items()) + b"\xff"
    if isinstance(value, (list, tuple)):
        return b"\x9f" + b"".join(map(encode_java, value)) + b"\xff"
    if isinstance(value, Time):
        return b"\xc1\x1b" + int(value).to_bytes(8, "big")
    return cbor2.dumps(value)


def decode(data):
    """Reads one item, and refuses what a server must not write: indefinite lengths, long forms of short integers, floats
    that are no doubles, tags but 1, and anything after the item."""
    value, end = _item(bytes(data), 0)
    assert end == len(data), f"{len(data) - end} bytes follow the item"
    return value


def _item(data, at):
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    assert info != 31, "an indefinite length"
    if major == 7:
        if info == 27:
            return struct.unpack(">d", data[at:at + 8])[0], at + 8
        assert info in (20, 21, 22), f"simple value or float {info}"
        return {20: False, 21: True, 22: None}[info], at
    argument = info
    if info >= 24:
        size = 1 << (info - 24)
        argument = int.from_bytes(data[at:at + size], "big")
        at += size
        limit = {1: 24, 2: 1 << 8, 4: 1 << 16, 8: 1 << 32}[size]
        assert argument >= limit or major == 6, f"{argument} in {size} bytes"
    if major == 0:
        return argument, at
    if major == 1:
        return -1 - argument, at
    if major in (2, 3):
        text = data[at:at + argument]
        assert len(text) == argument, "a string is cut"
        return (text if major == 2 else text.decode()), at + argument
    if major == 4:
        items = []
        for _ in range(argument):
            item, at = _item(data, at)
            items.append(item)
        return items, at
    if major == 5:
        members = {}
        for _ in range(argument):
            name, at = _item(data, at)
            assert isinstance(name, str) and name not in members, f"the name {name!r}"
            members[name], at = _item(data, at)
        return members, at
    assert argument == 1, f"the tag {argument}"
    value, at = _item(data, at)
    assert isinstance(value, int) and value > 10**11, f"{value!r} is no integer of milliseconds"
    return Time(value), at


def seconds(value):
    """Seconds since 1970 of an answer's timestamp in either format."""
    if isinstance(value, Time):
        return value / 1000
    assert isinstance(value, (int, float)) and math.isfinite(value) and value < 10**11, repr(value)
    return value
