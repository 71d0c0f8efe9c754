"""Requests byte by byte, in JSON and CBOR, over HTTP/1.1 and by curl over HTTP/2."""
import base64
import dataclasses
import http.client
import json
import shutil
import struct
import subprocess
import zlib

from . import cbor

JSON = "application/x-amz-json-1.1"
CBOR = "application/x-amz-cbor-1.1"
TYPES = {"json": JSON, "cbor": CBOR}
# What a client with dummy keys sends: the server looks at its form alone.
SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/kinesis/aws4_request, "
                     "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64,
    "X-Amz-Date": "20260101T000000Z",
}


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict
    body: bytes
    version: str = ""

    @property
    def value(self):
        """The body, read by its content type."""
        kind = self.headers.get("content-type")
        if kind == CBOR:
            return cbor.decode(self.body)
        assert kind == JSON, f"{self.status} {self.headers} {self.body[:200]!r}"
        return json.loads(self.body)

    @property
    def error(self):
        """The code and the text of an error; the text is None where there is none."""
        value = self.value
        text = [value[name] for name in ("message", "Message") if name in value]
        assert len(text) <= 1 and set(value) <= {"__type", "message", "Message"}, value
        return value["__type"], (text[0] if text else None)


class Blob(bytes):
    """Data: base64 in JSON, a byte string in CBOR."""


def body_of(value, kind):
    if isinstance(value, bytes) and not isinstance(value, Blob):
        return value
    if kind == "java":
        return cbor.encode_java(_plain(value))
    if kind == "cbor":
        return cbor.encode(_plain(value))
    return json.dumps(_textual(value)).encode()


def _plain(value):
    if isinstance(value, Blob):
        return bytes(value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list) else value


def _textual(value):
    if isinstance(value, Blob):
        return base64.b64encode(value).decode()
    if isinstance(value, cbor.Time):
        return value / 1000
    if isinstance(value, dict):
        return {k: _textual(v) for k, v in value.items()}
    return [_textual(v) for v in value] if isinstance(value, list) else value


class Wire:
    """Sends one request a connection."""

    def __init__(self, server):
        self.server = server

    def send(self, method="POST", path="/", headers=None, body=b"", chunks=None):
        connection = http.client.HTTPConnection(*self.server.address, timeout=60)
        try:
            connection.request(
                method, path, body=iter(chunks) if chunks else body, headers=headers or {}, encode_chunked=bool(chunks))
            response = connection.getresponse()
            return Answer(
                response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def headers(self, operation, kind="json", signed=True, **more):
        headers = {"X-Amz-Target": f"Kinesis_20131202.{operation}"}
        if kind:
            headers["Content-Type"] = TYPES["cbor" if kind == "java" else kind]
        if signed:
            headers.update(SIGNED)
        headers.update(more)
        return {k: v for k, v in headers.items() if v is not None}

    def call(self, operation, value=None, kind="json", **headers):
        """One operation. `value` is a dict, or the bytes of a body."""
        headers = self.headers(operation, kind, **headers)
        return self.send(headers=headers, body=body_of({} if value is None else value, kind))

    def ask(self, operation, value=None, kind="json"):
        """The output of an operation that succeeds."""
        answer = self.call(operation, value, kind)
        assert answer.status == 200, f"{operation}: {answer.status} {answer.body[:500]!r}"
        return answer.value if answer.body else None

    def curl(self, operation, value=None, kind="cbor", *options):
        """The same by curl, over clear-text HTTP/2 with prior knowledge unless `options` say otherwise."""
        options = options or ("--http2-prior-knowledge",)
        command = [curl(), "-sS", "--max-time", "60", *options, "-D", "/dev/stderr", "-w", "\n%{http_version}"]
        for name, text in self.headers(operation, kind).items():
            command += ["-H", f"{name}: {text}"]
        command += ["--data-binary", "@-", self.server.endpoint + "/"]
        run = subprocess.run(command, input=body_of({} if value is None else value, kind), capture_output=True)
        assert run.returncode == 0, run.stderr.decode(errors="replace")
        body, version = run.stdout.rsplit(b"\n", 1)
        # After an interim answer (100) the last block is the answer's.
        lines = run.stderr.decode().replace("\r", "").strip().split("\n\n")[-1].splitlines()
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:] if ": " in line)}
        return Answer(int(lines[0].split()[1]), headers, body, version.decode())


def curl():
    path = shutil.which("curl")
    assert path, "curl is needed (Debian: apt-get install curl)"
    return path


@dataclasses.dataclass
class Message:
    """A message of an event stream."""
    headers: dict
    payload: bytes

    @property
    def value(self):
        kind = self.headers[":content-type"]
        return cbor.decode(self.payload) if kind == CBOR else json.loads(self.payload)

    @property
    def name(self):
        return self.headers.get(":event-type") or self.headers.get(":exception-type")


def read_message(read):
    """The next message of an event stream (API-F-2), or None at its end. `read(n)` gives at most n bytes."""
    def whole(count):
        data = b""
        while len(data) < count:
            part = read(count - len(data))
            if not part:
                break
            data += part
        return data

    prelude = whole(12)
    if not prelude:
        return None
    assert len(prelude) == 12, f"the stream ends inside a message: {prelude!r}"
    total, header_bytes, check = struct.unpack(">III", prelude)
    assert zlib.crc32(prelude[:8]) == check, "the prelude's checksum"
    rest = whole(total - 12)
    assert len(rest) == total - 12, "the stream ends inside a message"
    assert zlib.crc32(prelude + rest[:-4]) == struct.unpack(">I", rest[-4:])[0], "the message's checksum"
    headers, at = {}, 0
    while at < header_bytes:
        name = rest[at + 1:at + 1 + rest[at]].decode()
        at += 1 + rest[at]
        assert rest[at] == 7, f"the header {name} has type {rest[at]}"
        size = struct.unpack(">H", rest[at + 1:at + 3])[0]
        headers[name] = rest[at + 3:at + 3 + size].decode()
        at += 3 + size
    return Message(headers, rest[header_bytes:-4])


class Subscription:
    """SubscribeToShard over HTTP/1.1 or, by curl, over HTTP/2: the messages as they arrive."""

    def __init__(self, wire, value, kind="json", http2=False):
        headers = wire.headers("SubscribeToShard", kind)
        body = body_of(value, kind)
        if http2:
            command = [curl(), "-sSN", "--http2-prior-knowledge", "--max-time", "120", "-i"]
            for name, text in headers.items():
                command += ["-H", f"{name}: {text}"]
            self.process = subprocess.Popen(
                command + ["--data-binary", "@-", wire.server.endpoint + "/"], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, bufsize=0)
            self.process.stdin.write(body)
            self.process.stdin.close()
            self.read = self.process.stdout.read
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                byte = self.read(1)
                assert byte, f"no answer: {head!r}"
                head += byte
            lines = head.decode().strip().splitlines()
            self.version = lines[0].split()[0]
            self.status = int(lines[0].split()[1])
            self.headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:] if ": " in line)}
        else:
            self.connection = http.client.HTTPConnection(*wire.server.address, timeout=60)
            self.connection.request("POST", "/", body=body, headers=headers)
            response = self.connection.getresponse()
            self.status, self.read = response.status, response.read
            self.headers = {k.lower(): v for k, v in response.getheaders()}

    def next(self):
        return read_message(self.read)

    def __iter__(self):
        return iter(self.next, None)

    def refusal(self):
        """The answer where no stream began."""
        body = b""
        while part := self.read(65536):
            body += part
        return Answer(self.status, self.headers, body)

    def close(self):
        if hasattr(self, "process"):
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        else:
            self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
