"""The protocol byte by byte: transport, formats, the order of checks, authentication."""
import base64
import http.client
import json
import re
import socket
import uuid

import pytest

from support import cbor
from support.streams import create, put
from support.values import refused
from support.wire import CBOR, JSON, SIGNED, TYPES, Blob, Wire

KINDS = ["json", "cbor", "java"]


@pytest.mark.parametrize("kind", KINDS)
def test_answers_carry_what_clients_log(wire, kind):
    """API-P-2, API-P-6, API-S-8."""
    answer = wire.call("ListStreams", {}, kind)
    assert answer.status == 200 and answer.headers["content-type"] == TYPES["cbor" if kind == "java" else kind]
    assert str(uuid.UUID(answer.headers["x-amzn-requestid"])) == answer.headers["x-amzn-requestid"].lower()
    assert 64 <= len(base64.b64decode(answer.headers["x-amz-id-2"], validate=True)) <= 80
    assert int(answer.headers["content-length"]) == len(answer.body) and answer.headers["date"].endswith("GMT")
    assert "x-amz-crc32" not in answer.headers
    assert answer.value["HasMoreStreams"] is False
    other = wire.call("ListStreams", {}, kind)
    assert other.headers["x-amzn-requestid"] != answer.headers["x-amzn-requestid"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_operation_without_output_has_an_empty_body(wire, kind):
    """API-P-7."""
    answer = wire.call("CreateStream", {"StreamName": f"empty-{kind}", "ShardCount": 1}, kind)
    assert answer.status == 200 and answer.body == b"" and answer.headers["content-length"] == "0"
    assert answer.headers["content-type"] == TYPES["cbor" if kind == "java" else kind]


@pytest.mark.parametrize("path", ["/", "/kinesis", "/a/b?c=d"])
def test_the_path_is_not_checked(wire, path):
    """API-P-1; header names in any case, the content type up to its first semicolon (API-P-2)."""
    headers = {"x-AMZ-target": "Kinesis_20131202.ListStreams", "CONTENT-type": JSON + "; charset=utf-8", **SIGNED}
    answer = wire.send(path=path, headers=headers, body=b"{}")
    assert answer.status == 200 and answer.headers["content-type"] == JSON


def test_connections_are_kept_and_bodies_may_be_chunked(server, wire):
    """API-P-4: HTTP/1.1."""
    connection = http.client.HTTPConnection(*server.address, timeout=60)
    for number in range(5):
        body = [b"{", b'"Limit":', b" 1%d}" % number] if number % 2 else b"{}"
        connection.request(
            "POST", "/", body=iter(body) if isinstance(body, list) else body, headers=wire.headers("ListStreams"),
            encode_chunked=True)
        if number == 0:
            local = connection.sock.getsockname()
        response = connection.getresponse()
        assert response.status == 200 and json.loads(response.read())["StreamNames"] is not None
        assert connection.sock.getsockname() == local
    connection.close()


def test_a_client_may_wait_for_100_continue(wire):
    """API-P-5: by curl, which sends Expect with a large body."""
    records = [{"Data": Blob(bytes(1_000_000)), "PartitionKey": "k"} for _ in range(3)]
    name = create(wire.server.boto())
    answer = wire.curl(
        "PutRecords", {"StreamName": name, "Records": records}, "json", "--http1.1", "-H", "Expect: 100-continue",
        "--expect100-timeout", "50")
    assert answer.status == 200 and answer.value["FailedRecordCount"] == 0


def test_a_body_that_is_too_large(server, wire):
    """API-P-5, API-E-2: 413 without a body; sixteen MiB are read."""
    sixteen = b'{"Junk":"' + b"x" * (16 << 20) + b'"}'
    assert wire.call("ListStreams", sixteen).status == 200
    with socket.create_connection(server.address, timeout=60) as connection:
        head = "".join(f"{k}: {v}\r\n" for k, v in wire.headers("ListStreams").items())
        connection.sendall(f"POST / HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {21 << 20}\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 413") and answer.endswith(b"\r\n\r\n")


def test_http2_in_clear_text_by_prior_knowledge(wire):
    """API-P-4, API-B-1: on the same port, in both formats, with a body of many frames."""
    name = create(wire.server.boto(), shards=2)
    for kind in ("json", "cbor", "java"):
        answer = wire.curl("DescribeStreamSummary", {"StreamName": name}, kind)
        assert answer.status == 200 and answer.version == "2"
        assert answer.value["StreamDescriptionSummary"]["OpenShardCount"] == 2
    records = [{"Data": Blob(bytes(20_000)), "PartitionKey": f"{i}"} for i in range(100)]
    answer = wire.curl("PutRecords", {"StreamName": name, "Records": records}, "java")
    assert answer.status == 200 and answer.value["FailedRecordCount"] == 0
    answer = wire.curl("ListStreams", b"\xff", "cbor")
    assert answer.status == 400 and answer.version == "2" and answer.value == {"__type": "SerializationException"}


def test_requests_of_a_browser(wire):
    """API-P-8, API-E-1."""
    exposed = "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date"
    answer = wire.call("ListStreams", {}, "json", Origin="http://example.com")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-expose-headers"] == exposed
    answer = wire.send("OPTIONS", headers={
        "Origin": "http://example.com", "Access-Control-Request-Headers": "x-amz-target, x-other",
        "Access-Control-Request-Method": "POST"})
    assert answer.status == 200 and answer.body == b"" and "content-type" not in answer.headers
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-max-age"] == "172800"
    assert answer.headers["access-control-allow-headers"] == "x-amz-target, x-other"
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert answer.headers["x-amzn-requestid"] and "x-amz-id-2" not in answer.headers


def test_health_needs_no_signature(wire):
    """API-P-9."""
    for path in ("/health", "/healthcheck"):
        assert wire.send("GET", path).status == 200


def test_what_is_printed_is_what_a_client_needs(server):
    """API-P-10: the endpoint and the variables of its environment."""
    printed = "\n".join(server.printed)
    for name in ("AWS_ENDPOINT_URL_KINESIS", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        assert name in printed
    assert re.search(r"AWS_(DEFAULT_)?REGION", printed) and server.endpoint in printed
    assert server.address[0] in ("127.0.0.1", "localhost")


# The order of checks

FORBIDDEN = (
    b"<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be authorized</Message>\n"
    b"</AccessDeniedException>\n")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods(wire, method):
    """API-E-3: also OPTIONS without Origin."""
    answer = wire.send(method, headers=wire.headers("ListStreams"), body=b"" if method == "GET" else b"{}")
    assert answer.status == 403 and answer.body == FORBIDDEN and "content-type" not in answer.headers
    assert answer.headers["x-amzn-requestid"]


def test_an_empty_body(wire):
    """API-E-4: JSON 1.1 where the request has it, else CBOR."""
    for kind, shown in ((JSON, JSON), (CBOR, CBOR), ("text/plain", CBOR), (None, CBOR)):
        for target, code in (
            ("Kinesis_20131202.ListStreams", "SerializationException"),
            ("Kinesis_20131202.Nothing", "UnknownOperationException"), ("Other.ListStreams", "UnknownOperationException"),
            (None, "UnknownOperationException"),
        ):
            headers = {k: v for k, v in (("X-Amz-Target", target), ("Content-Type", kind)) if v} | SIGNED
            answer = wire.send(headers=headers)
            assert answer.status == 400 and answer.headers["content-type"] == shown, (kind, target)
            assert answer.value == {"__type": code}, (kind, target)


def test_an_unknown_content_type(wire):
    """API-E-5."""
    for kind in ("text/plain", "application/x-amz-json-1.0", None):
        headers = {"Content-Type": kind} if kind else {}
        answer = wire.send(headers={**headers, **SIGNED}, body=b"{}")
        assert answer.status == 403 and answer.body == FORBIDDEN
        answer = wire.send(
            headers={**headers, **SIGNED, "X-Amz-Target": "Kinesis_20131202.ListStreams"}, body=b"{}")
        assert answer.status == 404 and answer.body == b"<UnknownOperationException/>\n"


@pytest.mark.parametrize("body", [
    b"{", b"nonsense", b"true", b'"x"', b"null", b"1", b'{"a":1}x', b'{"a" 1}', b"{'a':1}", b'{"a":\xff}', b"[" * 100,
    b'{"StreamName":"\\ud800"}', b'{"a":' * 40 + b"1" + b"}" * 40])
def test_json_that_is_none_or_no_object(wire, body):
    """API-E-6, API-S-4, API-S-7: SerializationException without a text, whatever the operation."""
    for operation in ("ListStreams", "Nothing"):
        answer = wire.call(operation, body)
        assert answer.status == 400 and answer.headers["content-type"] == JSON
        assert answer.value == {"__type": "SerializationException"}


@pytest.mark.parametrize("body", [
    b"\xff", b"\xa1", b"\xa1\x61a", b"\xbf\x61a\x01", b"\x01", b"\xf6", b"\xf5", b"\x61x", b"\xa0\x00", b"\xa1\x01\x02",
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff", b"\xa1\x61a\x5b\x00\x00\x00\xff\x00\x00\x00\x00",
    b"\xa1\x61a" + b"\x81" * 40 + b"\x00", b"\xa1\x61a\x62\xff\xfe", b"\xa1\x61a\x1c"])
def test_cbor_that_is_none_or_no_map(wire, body):
    """API-E-6, API-S-4: lengths are checked before anything is allocated."""
    answer = wire.call("ListStreams", body, "cbor")
    assert answer.status == 400 and answer.headers["content-type"] == CBOR
    assert answer.value == {"__type": "SerializationException"}


def test_a_list_has_no_members(wire):
    """API-E-6: an array passes as a body, and then has no members."""
    assert wire.call("ListStreams", b"[1,2]").status == 200
    assert wire.call("ListStreams", b"\x82\x01\x02", "cbor").status == 200
    assert wire.call("DeleteStream", b"[]").error[0] == "InvalidArgumentException"


def test_the_old_content_type_of_json(wire):
    """API-E-6: application/json never reaches an operation."""
    headers = {**wire.headers("ListStreams"), "Content-Type": "application/json"}
    answer = wire.send(headers=headers, body=b"{")
    assert answer.status == 400
    assert json.loads(answer.body) == {
        "Output": {"__type": "com.amazon.coral.service#SerializationException"}, "Version": "1.0"}
    answer = wire.send(headers=headers, body=b"{}")
    assert answer.status == 404
    assert json.loads(answer.body) == {
        "Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}, "Version": "1.0"}


@pytest.mark.parametrize("target", [
    "Kinesis_20131202.Nothing", "Kinesis_20131202.liststreams", "Kinesis_20131202.ListStream", "Kinesis_20131202.",
    "Kinesis_20131202", "Kinesis_20131201.ListStreams", "kinesis_20131202.ListStreams", "ListStreams", None])
@pytest.mark.parametrize("kind", ["json", "cbor"])
def test_operations_that_are_not_known(wire, target, kind):
    """API-E-7: before authentication."""
    for signed in (SIGNED, {}):
        headers = {"Content-Type": TYPES[kind], **signed, **({"X-Amz-Target": target} if target else {})}
        answer = wire.send(headers=headers, body=b"{}" if kind == "json" else b"\xa0")
        assert answer.status == 400 and answer.value == {"__type": "UnknownOperationException"}


def test_the_order_of_authentication_types_and_constraints(wire):
    """API-E-8, API-E-9, API-E-10, API-E-11."""
    value = {"StreamName": 5, "ShardCount": 0}
    assert wire.call("CreateStream", value, signed=False).error[0] == "MissingAuthenticationTokenException"
    assert wire.call("CreateStream", value).error[0] == "SerializationException"
    assert wire.call("CreateStream", {"StreamName": "a", "ShardCount": 0}).error[0] == "ValidationException"


# Authentication


@pytest.mark.parametrize("kind", ["json", "cbor"])
def test_requests_without_a_signature(wire, kind):
    """API-A-2, API-A-5."""
    answer = wire.call("ListStreams", {}, kind, signed=False)
    assert answer.status == 400
    assert answer.error == ("MissingAuthenticationTokenException", "Missing Authentication Token")


def test_two_signatures(wire):
    """API-A-1."""
    answer = wire.send(path="/?X-Amz-Algorithm=x", headers=wire.headers("ListStreams"), body=b"{}")
    assert answer.error == (
        "InvalidSignatureException",
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")


def test_incomplete_headers(wire):
    """API-A-3."""
    needs = {
        "Credential=a/b/c/d/e": "Authorization header requires 'Credential' parameter. ",
        "Signature=abc": "Authorization header requires 'Signature' parameter. ",
        "SignedHeaders=host": "Authorization header requires 'SignedHeaders' parameter. ",
    }
    date = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
    for missing in [[], *([n] for n in needs), list(needs)]:
        for dated in (True, False):
            if not missing and dated:
                continue
            header = "AWS4-HMAC-SHA256 " + ", ".join(part for part in needs if part not in missing)
            header = header.strip()
            headers = {"Authorization": header, "X-Amz-Date": "20260101T000000Z" if dated else None}
            answer = wire.call("ListStreams", {}, "json", **headers)
            text = "".join(needs[part] for part in needs if part in missing) + ("" if dated else date)
            assert answer.error == ("IncompleteSignatureException", text + f"Authorization={header}")
            assert answer.status == 400


def test_incomplete_queries(wire):
    """API-A-4."""
    names = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"]
    answer = wire.send(path="/?X-Amz-Algorithm=AWS4-HMAC-SHA256", headers=wire.headers(
        "ListStreams", signed=False), body=b"{}")
    text = "".join(f"AWS query-string parameters must include '{name}'. " for name in names[1:])
    assert answer.error == ("IncompleteSignatureException", text + "Re-examine the query-string parameters.")
    query = "&".join(f"{name}={'a/b/us-east-1/kinesis/aws4_request' if 'Cred' in name else 'x'}" for name in names)
    answer = wire.send(path="/?" + query, headers=wire.headers("ListStreams", signed=False), body=b"{}")
    assert answer.status == 200


def test_unsigned_requests_where_they_are_allowed(serve):
    """API-A-6, API-A-7."""
    wire = Wire(serve("--accept-unsigned"))
    assert wire.call("ListStreams", {}, signed=False).status == 200


@pytest.mark.parametrize("is_limited_to_streams", [False, True])
def test_signatures_are_checked_where_there_are_keys(serve, tmp_path, is_limited_to_streams):
    """API-A-6: unknown key, wrong secret, an operation or a stream that the key may not use; the right ones work."""
    credentials = tmp_path / "keys.json"
    credentials.write_text(json.dumps({"keys": [
        {"id": "AKIDALL", "secret": "all", "account": "111111111111"},
        {"id": "AKIDONE", "secret": "one", "account": "111111111111", "streams": ["one"],
         "operations": ["PutRecord", "PutRecords"]},
    ]}))
    server = serve("--credentials", credentials)
    every = server.boto(key="AKIDALL", secret="all")
    for name in ("one", "two"):
        create(every, name=name)
    assert every.describe_stream(StreamName="one")["StreamDescription"]["StreamARN"] == \
        "arn:aws:kinesis:us-east-1:111111111111:stream/one"
    one = server.boto(key="AKIDONE", secret="one")
    put(one, "one", b"x")
    for code, client, call in (
        ("UnrecognizedClientException", server.boto(key="AKIDNONE"), lambda c: c.list_streams()),
        ("InvalidSignatureException", server.boto(key="AKIDALL", secret="wrong"), lambda c: c.list_streams()),
        ("AccessDeniedException", one, lambda c: c.describe_stream(StreamName="one")),
    ):
        with refused(code):
            call(client)
    if is_limited_to_streams:
        with refused("AccessDeniedException"):
            put(one, "two", b"x")


def test_regions_and_accounts_do_not_see_each_other(server, kinesis, stream):
    """API-N-1, API-N-2: the region of the signature; a key of twelve digits is the account."""
    name = stream()
    china = server.boto(region="cn-north-1")
    other = server.boto(key="123456789012")
    for client, arn in (
        (china, f"arn:aws-cn:kinesis:cn-north-1:000000000000:stream/{name}"),
        (server.boto(region="us-gov-west-1"), f"arn:aws-us-gov:kinesis:us-gov-west-1:000000000000:stream/{name}"),
        (other, f"arn:aws:kinesis:us-east-1:123456789012:stream/{name}"),
    ):
        assert name not in client.list_streams()["StreamNames"]
        create(client, name=name, shards=2)
        assert client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"] == arn
    assert kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["OpenShardCount"] == 1
    # An ARN's account wins over the caller's (API-N-3).
    (answer,) = put(other, name, b"theirs")
    found = kinesis.describe_stream_summary(
        StreamARN=f"arn:aws:kinesis:us-east-1:123456789012:stream/{name}")["StreamDescriptionSummary"]
    assert found["OpenShardCount"] == 2 and answer["SequenceNumber"]


def test_time_is_written_as_each_format_has_it(wire, stream):
    """API-S-3, API-V-4: JSON seconds with at most three decimals, CBOR an integer of milliseconds under tag 1."""
    name = stream()
    for kind in KINDS:
        wire.ask("PutRecord", {"StreamName": name, "Data": Blob(b"x"), "PartitionKey": "k"}, kind)
    position = {"ShardIterator": wire.ask("GetShardIterator", {
        "StreamName": name, "ShardId": "0", "ShardIteratorType": "TRIM_HORIZON"})["ShardIterator"]}
    answer = wire.call("GetRecords", position)
    for text in re.findall(rb'"ApproximateArrivalTimestamp":\s*([^,}]+)', answer.body):
        assert re.fullmatch(rb"\d{10}(\.\d{1,3})?", text), text
    in_json = [record["ApproximateArrivalTimestamp"] for record in answer.value["Records"]]
    in_cbor = [record["ApproximateArrivalTimestamp"] for record in wire.ask("GetRecords", position, "cbor")["Records"]]
    assert len(in_json) == 3 and all(isinstance(time, cbor.Time) for time in in_cbor)
    assert [round(time * 1000) for time in in_json] == list(in_cbor)


@pytest.mark.parametrize("kind", ["json", "cbor", "java"])
def test_nothing_is_null(wire, stream, kind):
    """API-S-1: absent members are left out; null and unknown members of a request count as absent."""
    name = stream()
    wire.ask("SplitShard", {"StreamName": name, "ShardToSplit": "0", "NewStartingHashKey": "5"}, kind)

    def check(value):
        if isinstance(value, dict):
            assert None not in value.values(), value
            for item in value.values():
                check(item)
        elif isinstance(value, list):
            for item in value:
                check(item)

    more = {"StreamARN": None, "Limit": None, "Unknown": {"x": [1, None]}, "StreamId": "abcdefghij0123456789-abc"}
    check(wire.ask("DescribeStream", {"StreamName": name, **more}, kind))
    check(wire.ask("DescribeStreamSummary", {"StreamName": name, **more}, kind))
    check(wire.ask("ListShards", {"StreamName": name, "NextToken": None, "ShardFilter": None, **more}, kind))
    check(wire.ask("ListStreams", {}, kind))
    position = wire.ask("GetShardIterator", {
        "StreamName": name, "ShardId": "0", "ShardIteratorType": "LATEST", "Timestamp": None}, kind)
    end = wire.ask("GetRecords", {"ShardIterator": position["ShardIterator"]}, kind)
    check(end)
    assert "NextShardIterator" not in end and len(end["ChildShards"]) == 2
