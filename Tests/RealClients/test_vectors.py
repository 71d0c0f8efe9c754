"""The published vectors, read by what these tests judge a server with: they are right before it is."""
import io

import cbor2

from support import cbor
from support.values import Number, hash_key, uniform_ranges
from support.wire import Blob, body_of, read_message


def test_hash_keys_and_ranges():
    """API-V-1, API-H-1, API-H-2."""
    assert [hash_key(key) for key in ("a", "b", "partition-1", "ü")] == [
        16955237001963240173058271559858726497, 195289424170611159128911017612795795343,
        198019941650871988756153596255032211816, 255482112228542481294366945247899473731]
    assert [low for low, _ in uniform_ranges(3)] == [
        0, 113427455640312821154458202477256070485, 226854911280625642308916404954512140970]


def test_sequence_numbers():
    """API-V-2, API-V-3, API-Q-1, API-Q-4."""
    for number, text in (
        (Number(1700000000, 0, 1700000000, 0), "49646437577108476416916876405825929425585429676275269634"),
        (Number(1700000000, 1, 1700000100, 0), "49646437577108476416916876405827138351405051177397649410"),
        (Number(1700000000, 2**63 - 1, 1700000200, 0), "49646437577119626789516141717395488358902152971748900866"),
        (Number(1700000000, 1, 1700000100, 17), "49646437577130777162115407028968674069677699538903630098"),
    ):
        assert number.text == text and Number.parse(text) == number
    child = Number.parse("49646437648849973720589891052146335108695222453629091858")
    assert child.shard == 1 and child.created == child.arrived == 1700000201 and child.index == 0


def test_times_in_cbor():
    """API-V-4, API-S-3, API-S-4."""
    time = cbor.Time(1700000000123)
    assert cbor.encode(time).hex() == cbor.encode_java(time).hex() == "c11b0000018bcfe5687b"
    assert cbor.encode({"Timestamp": time}).hex() == "a16954696d657374616d70c11b0000018bcfe5687b"
    assert cbor.encode_java({"Timestamp": time}).hex() == "bf6954696d657374616d70c11b0000018bcfe5687bff"
    assert cbor.decode(bytes.fromhex("a16954696d657374616d70c11b0000018bcfe5687b")) == {"Timestamp": time}


def test_both_encoders_say_the_same():
    """cbor2 reads what either writes."""
    value = {"Records": [{"Data": Blob(b"\x00\xff"), "PartitionKey": "ü", "n": -7, "x": None, "y": True}] * 30}
    plain = {"Records": [{"Data": b"\x00\xff", "PartitionKey": "ü", "n": -7, "x": None, "y": True}] * 30}
    assert cbor2.loads(body_of(value, "cbor")) == cbor2.loads(body_of(value, "java")) == plain
    assert cbor.decode(body_of(value, "cbor")) == plain


def test_the_first_message_of_an_event_stream():
    """API-V-5, API-F-2, API-F-3."""
    data = io.BytesIO(bytes.fromhex(
        "0000007200000060ab820d9e0b3a6576656e742d74797065070010696e697469616c2d726573706f6e73650d3a636f6e74656e742d7479"
        "706507001a6170706c69636174696f6e2f782d616d7a2d6a736f6e2d312e310d3a6d6573736167652d747970650700056576656e747b7d"
        "acae6b7d"))
    message = read_message(data.read)
    assert message.name == "initial-response" and message.value == {}
    assert message.headers[":message-type"] == "event" and read_message(data.read) is None
