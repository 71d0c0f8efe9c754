"""A server whose disk is full: clients get what they retry, and reads go on (API-E-12)."""
import subprocess

import pytest

from support.server import Server, eventually
from support.streams import create, iterator, put, read_all
from support.values import refused


@pytest.fixture
def small(tmp_path):
    """A folder on a file system of 48 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a file system can't be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(small):
    """API-E-12, API-PutRecords-3: 500 for one record, InternalFailure for each of many, nothing half; afterwards all that
    was acknowledged is there, and with room records are taken again."""
    filler = small / "filler"
    with Server(small / "store") as server:
        kinesis = server.boto()
        name = create(kinesis)
        taken = [answer["SequenceNumber"] for answer in put(kinesis, name, b"first", b"second")]
        # What is left, but for a little, is taken by a file.
        try:
            with open(filler, "wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 20))
        except OSError:
            pass
        for _ in range(200):
            try:
                taken += [answer["SequenceNumber"] for answer in put(kinesis, name, bytes(500_000))]
            except kinesis.exceptions.ClientError:
                break
        with refused("InternalFailure", status=500):
            put(kinesis, name, bytes(500_000))
        answer = kinesis.put_records(
            StreamName=name, Records=[{"Data": bytes(500_000), "PartitionKey": "k"} for _ in range(3)])
        assert answer["FailedRecordCount"] == 3
        assert [entry["ErrorCode"] for entry in answer["Records"]] == ["InternalFailure"] * 3
        assert [r["SequenceNumber"] for r in read_all(kinesis, iterator(kinesis, name))[0]] == taken
        filler.unlink()

        def has_room():
            try:
                return put(kinesis, name, b"with room")
            except kinesis.exceptions.ClientError:
                return None

        taken += [answer["SequenceNumber"] for answer in eventually(has_room, "records are taken again")]
        assert [r["SequenceNumber"] for r in read_all(kinesis, iterator(kinesis, name))[0]] == taken
