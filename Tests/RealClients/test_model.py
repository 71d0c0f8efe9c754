"""Botocore's model of Kinesis against the server's: every constraint and every type of every member of the forty
operations, each broken alone (API-E-9, API-E-10, API-N-5)."""
import functools

import boto3
import pytest

from support.streams import arn
from support.values import AT_LEAST, AT_MOST, ENUM, NOT_NULL, PATTERN, VALUE_AT_LEAST, VALUE_AT_MOST, violation, violations
from support.wire import Blob

OTHERS = ("Queue", "Channel")
# Valid values of the shapes that have patterns.
SAMPLES = {
    "StreamARN": arn("a"), "ResourceARN": arn("a"), "ConsumerARN": arn("a") + "/consumer/c:1",
    "StreamId": "abcdefghij0123456789-abc", "HashKey": "1", "SequenceNumber": "1"}
# The patterns that were recorded (API-N-5); the model encloses them in `^(` and `)$`, which says the same.
RECORDED = {"HashKey": r"0|([1-9]\d{0,38})", "SequenceNumber": r"0|([1-9]\d{0,128})"}
# The order that was recorded (API-E-26) is not the model's.
ITERATOR_TYPES = ["AFTER_SEQUENCE_NUMBER", "LATEST", "AT_TIMESTAMP", "AT_SEQUENCE_NUMBER", "TRIM_HORIZON"]
# What the model leaves to the operations, which other tests are about.
LARGE = 100_000
NUMBER = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to "
# A value of another type, and the text (API-E-20).
MISMATCHES = {
    "string": (True, "class java.lang.Boolean can not be converted to an String"),
    "integer": ("x", "class java.lang.String can not be converted to an Integer"),
    "long": ("x", "class java.lang.String can not be converted to an Long"),
    "boolean": (5, NUMBER + "an Boolean"),
    "blob": (5, NUMBER + "a Blob"),
    "timestamp": (True, "class java.lang.Boolean can not be converted to milliseconds since epoch"),
    "list": (True, "Expected list or null"),
    "map": (True, "Expected map or null"),
    "structure": (True, "Expected null"),
}


@functools.cache
def model():
    client = boto3.client("kinesis", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    return client.meta.service_model


def operations():
    return sorted(name for name in model().operation_names if not any(other in name for other in OTHERS))


def sample(shape):
    """A valid value, as small as can be."""
    kind = shape.type_name
    if kind == "structure":
        return {name: sample(shape.members[name]) for name in shape.required_members}
    if kind == "list":
        return [sample(shape.member)]
    if kind == "map":
        return {"k": sample(shape.value)}
    if kind == "string":
        return shape.enum[0] if shape.enum else SAMPLES.get(shape.name, "a")
    return {
        "integer": max(1, shape.metadata.get("min", 1)), "long": 1, "boolean": True, "blob": Blob(b"x"),
        "timestamp": 1_000_000_000}[kind]


def camel(name):
    return name[0].lower() + name[1:]


def broken(shape, path):
    """Values that break one constraint of a shape, with the violation."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    kind = shape.type_name
    if kind == "string":
        if low:
            yield "", violation("", path, AT_LEAST(low))
        if high and high < LARGE:
            long = "x" * (high + 1)
            yield long, violation(long, path, AT_MOST(high))
        if "pattern" in shape.metadata:
            yield " !", violation(" !", path, PATTERN(RECORDED.get(shape.name, shape.metadata["pattern"])))
        if shape.enum:
            values = ITERATOR_TYPES if shape.name == "ShardIteratorType" else shape.enum
            yield "NOPE", violation("NOPE", path, ENUM(", ".join(values)))
    elif kind in ("integer", "long"):
        if low is not None:
            yield low - 1, violation(low - 1, path, VALUE_AT_LEAST(low))
        if high is not None:
            yield high + 1, violation(high + 1, path, VALUE_AT_MOST(high))
    elif kind == "map" and low:
        yield {}, violation("{}", path, AT_LEAST(low))
    elif kind == "structure":
        for name, member in shape.members.items():
            inner = f"{path}.{camel(name)}" if path else camel(name)
            if name in shape.required_members:
                yield {k: v for k, v in sample(shape).items() if k != name}, violation(None, inner, NOT_NULL)
            for value, text in broken(member, inner):
                yield {**sample(shape), name: value}, text
    elif kind == "list" and shape.member.type_name == "structure":
        for value, text in broken(shape.member, f"{path}.2.member"):
            yield [sample(shape.member), value], text


def mistyped(shape):
    """Values with one member of another type, and the text."""
    value, text = MISMATCHES[shape.type_name]
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if member.type_name == "structure":
                yield {**sample(shape), name: value}, text
            for inner, reason in mistyped(member):
                yield {**sample(shape), name: inner}, reason
    elif shape.type_name == "list":
        yield value, text
        for element, text in mistyped(shape.member):
            yield [element], text
    elif shape.type_name == "map":
        yield value, text
        for element, text in mistyped(shape.value):
            yield {"k": element}, text
    else:
        yield value, text


@pytest.mark.parametrize("operation", operations())
def test_every_constraint_of_the_model(wire, operation):
    """API-E-10, API-E-21, API-E-22, API-E-23, API-N-5, API-U-3."""
    shape = model().operation_model(operation).input_shape
    wrong = []
    for value, text in broken(shape, "") if shape else ():
        answer = wire.call(operation, value)
        code, found = answer.error if answer.status == 400 else (answer.status, "")
        if code != "ValidationException" or text not in violations(found):
            wrong.append((text, code, found))
    assert wrong == []


@pytest.mark.parametrize("operation", operations())
def test_every_type_of_the_model(wire, operation):
    """API-E-9, API-E-20."""
    shape = model().operation_model(operation).input_shape
    wrong = []
    for value, text in mistyped(shape) if shape else ():
        answer = wire.call(operation, value)
        if answer.status != 400 or answer.value != {"__type": "SerializationException", "Message": text}:
            wrong.append((value, text, answer.status, answer.body))
    assert wrong == []


@pytest.mark.parametrize("operation", operations())
def test_nothing_is_missing_where_all_is_missing(wire, operation):
    """API-E-23: an empty request breaks exactly what the model requires."""
    shape = model().operation_model(operation).input_shape
    required = {violation(None, camel(name), NOT_NULL) for name in (shape.required_members if shape else ())}
    answer = wire.call(operation, {})
    if required:
        code, text = answer.error
        assert code == "ValidationException" and violations(text) == required
    else:
        assert answer.status == 200 or answer.error[0] == "InvalidArgumentException"
