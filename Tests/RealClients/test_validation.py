"""Types and constraints of members, in JSON and CBOR: the texts of every violation, as sets."""
import re

import pytest

from support.streams import arn
from support.values import (
    AT_LEAST, AT_MOST, ENUM, NAME_PATTERN, NOT_NULL, PATTERN, VALUE_AT_LEAST, VALUE_AT_MOST, violation, violations)
from support.wire import Blob

NUMBER = "com.amazon.coral.value.json.numbers.TruncatingBigNumber"
LIST_FOUND = "Start of list found where not expected"
MAP_FOUND = "Start of structure or map found where not expected."

# An operation, a member in a JSON body where {} stands for the value, and the type's name in texts.
MEMBERS = [
    ("CreateStream", '{{"StreamName": {}}}', "String"),
    ("CreateStream", '{{"StreamName": "a", "ShardCount": {}}}', "Integer"),
    ("DeleteStream", '{{"StreamName": "a", "EnforceConsumerDeletion": {}}}', "Boolean"),
    ("PutRecord", '{{"StreamName": "a", "PartitionKey": "k", "Data": {}}}', "Blob"),
    ("GetShardIterator",
     '{{"StreamName": "a", "ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": {}}}', "Timestamp"),
    ("PutRecords", '{{"StreamName": "a", "Records": {}}}', "List"),
    ("AddTagsToStream", '{{"StreamName": "a", "Tags": {}}}', "Map"),
    ("CreateStream", '{{"StreamName": "a", "StreamModeDetails": {}}}', "Structure"),
    ("PutRecords", '{{"StreamName": "a", "Records": [{}]}}', "Structure"),
    ("PutRecords", '{{"StreamName": "a", "Records": [{{"Data": "", "PartitionKey": {}}}]}}', "String"),
    ("PutRecords", '{{"StreamName": "a", "Records": [{{"PartitionKey": "k", "Data": {}}}]}}', "Blob"),
    ("RemoveTagsFromStream", '{{"StreamName": "a", "TagKeys": [{}]}}', "String"),
    ("AddTagsToStream", '{{"StreamName": "a", "Tags": {{"k": {}}}}}', "String"),
    ("CreateStream", '{{"StreamName": "a", "StreamModeDetails": {{"StreamMode": {}}}}}', "String"),
    ("SubscribeToShard", '{{"ConsumerARN": "a", "ShardId": "0", "StartingPosition": {}}}', "Structure"),
]


def mismatch(kind, value):
    """The table of API-E-20; None where the value is one of the type."""
    boolean, text = value in ("true", "false"), value.startswith('"')
    array, structure = value.startswith("["), value.startswith("{")
    number = not (boolean or text or array or structure)
    if kind == "List":
        return None if array else MAP_FOUND if structure else "Expected list or null"
    if kind == "Map":
        return None if structure else LIST_FOUND if array else "Expected map or null"
    if kind == "Structure":
        return None if structure else LIST_FOUND if array else "Expected null"
    if array or structure:
        return LIST_FOUND if array else MAP_FOUND
    if kind == "Blob":
        if boolean:
            return "class java.lang.Boolean can not be converted to a Blob"
        return f"class {NUMBER} can not be converted to a Blob" if number else None
    if kind == "Timestamp":
        found = "Boolean" if boolean else "String" if text else None
        return found and f"class java.lang.{found} can not be converted to milliseconds since epoch"
    if kind == "Boolean":
        if boolean:
            return None
        return (
            f"class {NUMBER} can not be converted to an Boolean" if number
            else f"{value.upper().replace(chr(34), chr(39))} can not be converted to an Boolean")
    if boolean:
        return f"class java.lang.Boolean can not be converted to an {kind}"
    if kind == "String":
        return f"class {NUMBER} can not be converted to an String" if number else None
    return f"class java.lang.String can not be converted to an {kind}" if text else None


@pytest.mark.parametrize("value", ["true", "34", "1.5", '"ABCD"', '"name"', "[]", "[1]", "{}", '{"a": 1}'])
@pytest.mark.parametrize("operation, body, kind", MEMBERS)
def test_values_of_a_wrong_type(wire, operation, body, kind, value):
    """API-E-9 and all of API-E-20, wherever the member stands."""
    wanted = mismatch(kind, value)
    answer = wire.call(operation, body.format(value).encode())
    if wanted is not None:
        assert answer.status == 400 and answer.value == {"__type": "SerializationException", "Message": wanted}
    elif answer.status != 200 and value not in ("[1]", '{"a": 1}'):
        assert answer.error[0] != "SerializationException", answer.error


@pytest.mark.parametrize("text, problem", [
    ("A", "Base64 encoded length is expected a multiple of 4 bytes but found: 1"),
    ("AAAAA", "Base64 encoded length is expected a multiple of 4 bytes but found: 5"),
    ("AA A", "Invalid Base64 character: ' '"),
    ("A-_A", "Invalid Base64 character: '-'"),
    ("AB==", "Invalid last non-pad Base64 character dectected"),
    ("ABD=", "Invalid last non-pad Base64 character dectected"),
])
def test_data_that_is_no_base64(wire, text, problem):
    """API-E-20, API-S-2."""
    answer = wire.call("PutRecord", b'{"StreamName":"a","PartitionKey":"k","Data":"%s"}' % text.encode())
    assert answer.value == {
        "__type": "SerializationException", "Message": f"'{text}' can not be converted to a Blob: {problem}"}


@pytest.mark.parametrize("kind", ["json", "cbor", "java"])
def test_types_are_checked_in_cbor_too(wire, kind):
    """API-E-9: the same texts, capital M included."""
    for value, text in (
        ({"StreamName": "a", "ShardCount": "x"}, "class java.lang.String can not be converted to an Integer"),
        ({"StreamName": True}, "class java.lang.Boolean can not be converted to an String"),
        ({"StreamName": ["x"]}, LIST_FOUND), ({"StreamName": {"x": 1}}, MAP_FOUND),
    ):
        answer = wire.call("CreateStream", value, kind)
        assert answer.status == 400 and answer.value == {"__type": "SerializationException", "Message": text}


MODES = ENUM("PROVISIONED, ON_DEMAND")
TYPES = ENUM("AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON")
LONG = "x" * 129
SEQUENCE = PATTERN(r"0|([1-9]\d{0,128})")
HASH = PATTERN(r"0|([1-9]\d{0,38})")
STREAM_ARN = PATTERN(r"arn:aws.*:kinesis:.*:\d{12}:stream/\S+")

# An operation, a request, and all that is wrong with it.
CASES = {
    "a create of nothing": ("CreateStream", {}, {violation(None, "streamName", NOT_NULL)}),
    "an empty name": ("CreateStream", {"StreamName": "", "ShardCount": 0}, {
        violation("", "streamName", PATTERN(NAME_PATTERN)), violation("", "streamName", AT_LEAST(1)),
        violation(0, "shardCount", VALUE_AT_LEAST(1))}),
    "a long name": ("CreateStream", {"StreamName": LONG, "ShardCount": 1}, {
        violation(LONG, "streamName", AT_MOST(128))}),
    "a bad name": ("CreateStream", {"StreamName": "a b", "ShardCount": 1}, {
        violation("a b", "streamName", PATTERN(NAME_PATTERN))}),
    "a name with a line's end": ("CreateStream", {"StreamName": "a\n", "ShardCount": 1}, {
        violation("a\n", "streamName", PATTERN(NAME_PATTERN))}),
    "negative shards": ("CreateStream", {"StreamName": "a", "ShardCount": -1}, {
        violation(-1, "shardCount", VALUE_AT_LEAST(1))}),
    "an unknown mode": ("CreateStream", {"StreamName": "a", "StreamModeDetails": {"StreamMode": "FAST"}}, {
        violation("FAST", "streamModeDetails.streamMode", MODES)}),
    "a missing mode": ("CreateStream", {"StreamName": "a", "StreamModeDetails": {}}, {
        violation(None, "streamModeDetails.streamMode", NOT_NULL)}),
    "record sizes": ("CreateStream", {"StreamName": "a", "ShardCount": 1, "MaxRecordSizeInKiB": 1023}, {
        violation(1023, "maxRecordSizeInKiB", VALUE_AT_LEAST(1024))}),
    "large record sizes": ("UpdateMaxRecordSize", {"StreamARN": arn("a"), "MaxRecordSizeInKiB": 10241}, {
        violation(10241, "maxRecordSizeInKiB", VALUE_AT_MOST(10240))}),
    "no record size": ("UpdateMaxRecordSize", {"StreamARN": arn("a")}, {
        violation(None, "maxRecordSizeInKiB", NOT_NULL)}),
    "a limit of none": ("ListStreams", {"Limit": 0}, {violation(0, "limit", VALUE_AT_LEAST(1))}),
    "a limit of more": ("ListStreams", {"Limit": 10001}, {violation(10001, "limit", VALUE_AT_MOST(10000))}),
    "a limit beyond all": ("ListStreams", {"Limit": 100000000000}, {
        violation(2147483647, "limit", VALUE_AT_MOST(10000))}),
    "a fraction": ("ListStreams", {"Limit": 0.9}, {violation(0, "limit", VALUE_AT_LEAST(1))}),
    "an ARN": ("DescribeStream", {"StreamARN": "stream/a"}, {violation("stream/a", "streamARN", STREAM_ARN)}),
    "an empty ARN": ("DescribeStreamSummary", {"StreamARN": ""}, {
        violation("", "streamARN", STREAM_ARN), violation("", "streamARN", AT_LEAST(1))}),
    "a described shard": ("DescribeStream", {"StreamName": "a", "Limit": 10001, "ExclusiveStartShardId": ""}, {
        violation(10001, "limit", VALUE_AT_MOST(10000)),
        violation("", "exclusiveStartShardId", PATTERN(NAME_PATTERN)),
        violation("", "exclusiveStartShardId", AT_LEAST(1))}),
    "a put of nothing": ("PutRecord", {"StreamName": "a", "PartitionKey": "k"}, {
        violation(None, "data", NOT_NULL)}),
    "a put with bad numbers": ("PutRecord", {
        "StreamName": "", "Data": Blob(b""), "PartitionKey": "", "ExplicitHashKey": "01",
        "SequenceNumberForOrdering": "-1"}, {
        violation("", "streamName", PATTERN(NAME_PATTERN)), violation("", "streamName", AT_LEAST(1)),
        violation("", "partitionKey", AT_LEAST(1)), violation("01", "explicitHashKey", HASH),
        violation("-1", "sequenceNumberForOrdering", SEQUENCE)}),
    "a long key": ("PutRecord", {"StreamName": "a", "Data": Blob(b""), "PartitionKey": "k" * 257}, {
        violation("k" * 257, "partitionKey", AT_MOST(256))}),
    "a word as a number": ("PutRecord", {
        "StreamName": "a", "Data": Blob(b""), "PartitionKey": "k", "SequenceNumberForOrdering": "LATEST"}, {
        violation("LATEST", "sequenceNumberForOrdering", SEQUENCE)}),
    "puts of nothing": ("PutRecords", {"StreamName": "a"}, {violation(None, "records", NOT_NULL)}),
    "bad records": ("PutRecords", {"StreamName": "a", "Records": [
        {"Data": Blob(b""), "PartitionKey": "k"}, {"PartitionKey": "", "ExplicitHashKey": ""}]}, {
        violation(None, "records.2.member.data", NOT_NULL),
        violation("", "records.2.member.partitionKey", AT_LEAST(1)),
        violation("", "records.2.member.explicitHashKey", HASH)}),
    "an iterator of nothing": ("GetShardIterator", {"StreamName": "a"}, {
        violation(None, "shardId", NOT_NULL), violation(None, "shardIteratorType", NOT_NULL)}),
    "an iterator of an unknown type": ("GetShardIterator", {
        "StreamName": "a", "ShardId": "", "ShardIteratorType": "FIRST", "StartingSequenceNumber": ""}, {
        violation("", "shardId", PATTERN(NAME_PATTERN)), violation("", "shardId", AT_LEAST(1)),
        violation("FIRST", "shardIteratorType", TYPES), violation("", "startingSequenceNumber", SEQUENCE)}),
    "a sentinel of KCL": ("GetShardIterator", {
        "StreamName": "a", "ShardId": "0", "ShardIteratorType": "AT_SEQUENCE_NUMBER",
        "StartingSequenceNumber": "TRIM_HORIZON"}, {
        violation("TRIM_HORIZON", "startingSequenceNumber", SEQUENCE)}),
    "a read of nothing": ("GetRecords", {}, {violation(None, "shardIterator", NOT_NULL)}),
    "a read of too much": ("GetRecords", {"ShardIterator": "", "Limit": 10001}, {
        violation("", "shardIterator", AT_LEAST(1)), violation(10001, "limit", VALUE_AT_MOST(10000))}),
    "a long iterator": ("GetRecords", {"ShardIterator": "A" * 513, "Limit": 0}, {
        violation("A" * 513, "shardIterator", AT_MOST(512)), violation(0, "limit", VALUE_AT_LEAST(1))}),
    "a split of nothing": ("SplitShard", {"StreamName": "a"}, {
        violation(None, "shardToSplit", NOT_NULL), violation(None, "newStartingHashKey", NOT_NULL)}),
    "a split at no number": ("SplitShard", {"StreamName": "a", "ShardToSplit": "0", "NewStartingHashKey": "1x"}, {
        violation("1x", "newStartingHashKey", HASH)}),
    "a merge of nothing": ("MergeShards", {"StreamName": "a", "ShardToMerge": "!"}, {
        violation("!", "shardToMerge", PATTERN(NAME_PATTERN)), violation(None, "adjacentShardToMerge", NOT_NULL)}),
    "an unknown scaling": ("UpdateShardCount", {"StreamName": "a", "TargetShardCount": 0, "ScalingType": "X"}, {
        violation(0, "targetShardCount", VALUE_AT_LEAST(1)),
        violation("X", "scalingType", ENUM("UNIFORM_SCALING"))}),
    "no retention": ("IncreaseStreamRetentionPeriod", {"StreamName": "a"}, {
        violation(None, "retentionPeriodHours", NOT_NULL)}),
    "no mode": ("UpdateStreamMode", {"StreamARN": arn("a")}, {violation(None, "streamModeDetails", NOT_NULL)}),
    "a mode without an ARN": ("UpdateStreamMode", {"StreamModeDetails": {"StreamMode": "X"}}, {
        violation(None, "streamARN", NOT_NULL), violation("X", "streamModeDetails.streamMode", MODES)}),
    "a consumer of nothing": ("RegisterStreamConsumer", {}, {
        violation(None, "streamARN", NOT_NULL), violation(None, "consumerName", NOT_NULL)}),
    "a consumer with a bad name": ("RegisterStreamConsumer", {"StreamARN": arn("a"), "ConsumerName": ""}, {
        violation("", "consumerName", PATTERN(NAME_PATTERN)), violation("", "consumerName", AT_LEAST(1))}),
    "a subscription of nothing": ("SubscribeToShard", {}, {
        violation(None, "consumerARN", NOT_NULL), violation(None, "shardId", NOT_NULL),
        violation(None, "startingPosition", NOT_NULL)}),
    "no tags": ("AddTagsToStream", {"StreamName": "a"}, {violation(None, "tags", NOT_NULL)}),
    "no keys of tags": ("RemoveTagsFromStream", {"StreamName": "a"}, {violation(None, "tagKeys", NOT_NULL)}),
    "a limit of tags": ("ListTagsForStream", {"StreamName": "a", "Limit": 51, "ExclusiveStartTagKey": ""}, {
        violation(51, "limit", VALUE_AT_MOST(50)), violation("", "exclusiveStartTagKey", AT_LEAST(1))}),
    "no metrics": ("EnableEnhancedMonitoring", {"StreamName": "a"}, {
        violation(None, "shardLevelMetrics", NOT_NULL)}),
    "an unknown encryption": ("StartStreamEncryption", {"StreamName": "a", "EncryptionType": "AES", "KeyId": ""}, {
        violation("AES", "encryptionType", ENUM("NONE, KMS")), violation("", "keyId", AT_LEAST(1))}),
    "a policy of nothing": ("PutResourcePolicy", {}, {
        violation(None, "resourceARN", NOT_NULL), violation(None, "policy", NOT_NULL)}),
    "an unknown filter": ("ListShards", {"StreamName": "a", "MaxResults": 0, "ShardFilter": {"Type": "ALL"}}, {
        violation(0, "maxResults", VALUE_AT_LEAST(1)),
        violation("ALL", "shardFilter.type", ENUM(
            "AFTER_SHARD_ID, AT_TRIM_HORIZON, FROM_TRIM_HORIZON, AT_LATEST, AT_TIMESTAMP, FROM_TIMESTAMP"))}),
    "an unknown distribution": ("UpdateStreamRecordDistributionStrategy", {
        "StreamARN": arn("a"), "RecordDistributionStrategy": "HASH"}, {
        violation("HASH", "recordDistributionStrategy", ENUM("AUTO, USER_PARTITION_KEY"))}),
}


@pytest.mark.parametrize("kind", ["json", "cbor", "java"])
@pytest.mark.parametrize("case", sorted(CASES))
def test_constraints(wire, case, kind):
    """API-E-10, API-E-21 to API-E-26, API-B-17, API-N-5, API-Q-7, API-S-5."""
    operation, value, wanted = CASES[case]
    answer = wire.call(operation, value, kind)
    assert answer.status == 400
    code, text = answer.error
    assert code == "ValidationException", text
    assert violations(text) == wanted


def constraint_of(wire, operation, value):
    code, text = wire.call(operation, value).error
    assert code == "ValidationException"
    return text


def test_lists_and_maps_that_are_too_long(wire):
    """API-E-23, API-E-24: the value may be left out; the constraint is exact."""
    record = {"Data": Blob(b"x"), "PartitionKey": "k"}
    for records, constraint in (([], AT_LEAST(1)), ([record] * 501, AT_MOST(500))):
        text = constraint_of(wire, "PutRecords", {"StreamName": "a", "Records": records})
        assert re.fullmatch(
            rf"1 validation error detected: Value( '.*')? at 'records' failed to satisfy constraint: {constraint}", text)
    text = constraint_of(wire, "AddTagsToStream", {"StreamName": "a", "Tags": {}})
    assert text == f"1 validation error detected: {violation('{}', 'tags', AT_LEAST(1))}"
    text = constraint_of(wire, "RemoveTagsFromStream", {"StreamName": "a", "TagKeys": ["a"] * 51})
    assert text.endswith(f"at 'tagKeys' failed to satisfy constraint: {AT_MOST(50)}")


def test_elements_of_lists_and_maps(wire):
    """API-E-23."""
    both = "[Member must have length less than or equal to {}, Member must have length greater than or equal to {}]"
    long_key, long_value = "k" * 129, "v" * 257
    text = constraint_of(wire, "RemoveTagsFromStream", {"StreamName": "a", "TagKeys": ["a", ""]})
    assert text == "1 validation error detected: " + violation(
        "[a, ]", "tagKeys", "Member must satisfy constraint: " + both.format(128, 1))
    text = constraint_of(wire, "AddTagsToStream", {"StreamName": "a", "Tags": {long_key: "v"}})
    assert text == "1 validation error detected: " + violation(
        f"{{{long_key}=v}}", "tags", "Map keys must satisfy constraint: " + both.format(128, 1))
    text = constraint_of(wire, "AddTagsToStream", {"StreamName": "a", "Tags": {"k": long_value}})
    assert text == "1 validation error detected: " + violation(
        f"{{k={long_value}}}", "tags", "Map value must satisfy constraint: " + both.format(256, 0))


def test_at_most_ten_violations_are_listed(wire):
    """API-E-21."""
    records = [{"Data": Blob(b""), "PartitionKey": ""} for _ in range(20)]
    text = constraint_of(wire, "PutRecords", {"StreamName": "a", "Records": records})
    assert re.match(r"(10|20) validation errors detected: ", text) and len(text.split("; ")) == 10


def test_numbers_are_cut_and_clamped(wire, stream):
    """API-S-5: fractions are floored, more than 32 bits is 2147483647."""
    assert "'2147483647'" in constraint_of(wire, "ListShards", b'{"StreamName":"a","MaxResults":1e11}')
    name = stream(shards=3)
    answer = wire.ask("ListShards", b'{"StreamName":"%s","MaxResults":2.99}' % name.encode())
    assert len(answer["Shards"]) == 2


def test_lengths_are_counted_in_utf16(wire, stream):
    """API-S-7: in a validation; a partition key has 256 characters."""
    name = stream()
    put = {"StreamName": name, "Data": Blob(b"")}
    assert wire.call("PutRecord", {**put, "PartitionKey": "ü" * 256}).status == 200
    text = constraint_of(wire, "AddTagsToStream", {"StreamName": "a", "Tags": {"😀" * 65: "v"}})
    assert "Map keys must satisfy constraint" in text


@pytest.mark.parametrize("member", [
    '"Timestamp": 1700000000', '"Timestamp": 1700000000.123', '"Timestamp": 1.7e9', '"Timestamp": 1700000000.1239999',
    '"Timestamp": 17e8'])
def test_times_are_read_in_every_form(wire, stream, member):
    """API-S-3 in JSON."""
    body = '{"StreamName": "%s", "ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP", %s}' % (stream(), member)
    assert wire.call("GetShardIterator", body.encode()).status == 200


def test_times_of_cbor_are_milliseconds_or_seconds(wire, stream):
    """API-S-3, API-B-2, API-V-4: from 10^11 on an integer is milliseconds, below seconds; floats are seconds; with the
    tag or without. A time in the future tells which number was read."""
    future = 4_000_000_000_000
    head = b"\xbf\x6aStreamName\x61a\x67ShardId\x610\x71ShardIteratorType\x6cAT_TIMESTAMP\x69Timestamp"
    name = stream()
    head = head.replace(b"\x61a", bytes([0x60 + len(name)]) + name.encode() if len(name) < 24
                        else b"\x78" + bytes([len(name)]) + name.encode())
    from struct import pack

    for value in (
        b"\xc1\x1b" + future.to_bytes(8, "big"), b"\x1b" + future.to_bytes(8, "big"),
        b"\xc1\x1a" + (future // 1000).to_bytes(4, "big"), b"\x1a" + (future // 1000).to_bytes(4, "big"),
        b"\xc1\xfb" + pack(">d", future / 1000), b"\xfb" + pack(">d", future / 1000),
        b"\xfa" + pack(">f", future / 1000),
    ):
        code, text = wire.call("GetShardIterator", head + value + b"\xff", "cbor").error
        assert code == "InvalidArgumentException"
        shown = int(re.search(r"timestampInMillis: (\d+),", text).group(1))
        assert shown == future or (value[0] == 0xfa and abs(shown - future) < 1_000_000)
    answer = wire.call("GetShardIterator", head + bytes.fromhex("c11b0000018bcfe5687b") + b"\xff", "cbor")
    assert answer.status == 200


def test_cbor_in_its_less_usual_forms(wire, stream):
    """API-S-4: indefinite strings, half floats, bignums, undefined and unknown tags."""
    name = stream().encode()
    half = len(name) // 2
    text = b"\x7f" + b"".join(bytes([0x60 + len(p)]) + p for p in (name[:half], name[half:])) + b"\xff"
    limit = b"\x65Limit"
    for value in (b"\xf9\x40\x00", b"\xfa\x40\x00\x00\x00", b"\xc2\x41\x02", b"\xf7", b"\xd9\xd9\xf7\x02", b"\x19\x00\x02"):
        body = b"\xa2\x6aStreamName" + text + limit + value
        answer = wire.call("DescribeStream", body, "cbor")
        assert answer.status == 200, (value, answer.body)
        assert answer.value["StreamDescription"]["StreamName"].encode() == name
    data = b"\x5f\x42ab\x41c\xff"
    body = b"\xa3\x6aStreamName" + text + b"\x64Data" + data + b"\x6cPartitionKey\x61k"
    assert wire.call("PutRecord", body, "cbor").status == 200
