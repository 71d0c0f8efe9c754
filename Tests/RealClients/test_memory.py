"""Much data through a server whose memory stays bounded (API-B-9)."""
import concurrent.futures
import os

from support.streams import create, iterator

# MiB that are put; `make soak` sets 10240.
AMOUNT = int(os.environ.get("SHARDLINE_MEBIBYTES", "160"))


def test_much_data_needs_no_more_memory(serve):
    """API-B-9: 100 records of 256 KiB at once and again, by four producers, read at the same time by two consumers."""
    server = serve()
    kinesis = server.boto(pool=12)
    name = create(kinesis, shards=4)
    record = {"Data": os.urandom(256 << 10), "PartitionKey": "k"}
    peak = 0

    def write(shard):
        entries = [{**record, "ExplicitHashKey": str(shard << 126)}] * 38
        for _ in range(max(1, AMOUNT // (4 * 9))):
            assert kinesis.put_records(StreamName=name, Records=entries)["FailedRecordCount"] == 0
        return len(entries) * max(1, AMOUNT // (4 * 9))

    def read(shard, count):
        position, found = iterator(kinesis, name, f"{shard}"), 0
        while found < count:
            answer = kinesis.get_records(ShardIterator=position)
            found += len(answer["Records"])
            position = answer["NextShardIterator"]
        return found

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        writing = [pool.submit(write, shard) for shard in range(4)]
        count = 38 * max(1, AMOUNT // (4 * 9))
        reading = [pool.submit(read, shard, count) for shard in (0, 1)]
        while not all(task.done() for task in writing + reading):
            peak = max(peak, server.resident())
            concurrent.futures.wait(writing + reading, timeout=0.05)
        assert [task.result() for task in writing] == [count] * 4
        assert [task.result() for task in reading] == [count] * 2
    assert peak < 512 << 20, f"{peak >> 20} MiB"
