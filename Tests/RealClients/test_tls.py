"""TLS beside the plain port: boto3 and curl, HTTP/1.1 and HTTP/2 by ALPN."""
import re
import shutil
import subprocess

import pytest

from support import cbor
from support.server import REGION, eventually
from support.streams import create, iterator, read_all
from support.wire import JSON, SIGNED, Wire, curl


@pytest.fixture
def tls(serve, tmp_path):
    """A server with a certificate that it signed itself, as the KPL is used with one (API-B-19)."""
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("openssl makes the certificate (Debian: apt-get install openssl)")
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True)
    server = serve("--tls-port", "0", "--tls-certificate", tmp_path / "cert.pem", "--tls-key", tmp_path / "key.pem")

    def found():
        return re.search(r"https://[\w.\[\]:-]+:\d+", "\n".join(server.printed))

    server.secure = eventually(found, "the endpoint of TLS is printed").group()
    server.certificate = tmp_path / "cert.pem"
    return server


def test_boto3_over_tls(tls):
    """API-P-4, API-P-10: with the certificate, and without a look at it."""
    import boto3

    for verify in (str(tls.certificate), False):
        client = boto3.client(
            "kinesis", endpoint_url=tls.secure.replace("127.0.0.1", "localhost"), region_name=REGION, verify=verify,
            aws_access_key_id="test", aws_secret_access_key="test")
        assert client.list_streams()["StreamNames"] == []
    assert tls.boto().list_streams()["StreamNames"] == []


@pytest.mark.parametrize("option, version", [("--http2", "2"), ("--http1.1", "1.1"), ("--no-alpn", "1.1")])
def test_the_protocol_is_chosen_by_alpn(tls, option, version):
    """API-P-4."""
    headers = {**SIGNED, "X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": JSON}
    command = [curl(), "-sS", "--max-time", "60", "--cacert", str(tls.certificate), option, "-w", "\n%{http_version}"]
    for name, text in headers.items():
        command += ["-H", f"{name}: {text}"]
    done = subprocess.run([*command, "-d", "{}", tls.secure + "/"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    body, found = done.stdout.rsplit("\n", 1)
    assert '"StreamNames"' in body and found == version


def test_many_requests_share_one_http2_connection(tls, tmp_path):
    """API-P-4: side by side, as the Java client sends them. Over TLS: curl 7.88 can't reuse one of clear text."""
    name = create(tls.boto())
    body = tmp_path / "body"
    body.write_bytes(cbor.encode({"StreamName": name, "Data": b"x" * 1000, "PartitionKey": "k"}))
    command = [curl(), "-sS", "--parallel", "--parallel-max", "20", "--max-time", "60"]
    for number in range(60):
        command += (["--next"] if number else []) + ["--http2", "--cacert", str(tls.certificate), "-o", "/dev/null"]
        command += ["-w", "%{http_code} %{http_version} %{num_connects}\\n"]
        for field, text in Wire(tls).headers("PutRecord", "cbor").items():
            command += ["-H", f"{field}: {text}"]
        command += ["--data-binary", f"@{body}", tls.secure + "/"]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = done.stdout.split("\n")[:-1]
    assert len(lines) == 60 and all(line.startswith("200 2 ") for line in lines), done.stderr
    assert sum(int(line.split()[2]) for line in lines) < 30
    assert len(read_all(tls.boto(), iterator(tls.boto(), name))[0]) == 60
