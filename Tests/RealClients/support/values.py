"""What Kinesis' numbers and texts mean: hash keys, sequence numbers, texts of errors."""
import contextlib
import dataclasses
import hashlib
import re

MAX_HASH = 2**128 - 1


def hash_key(partition_key):
    """API-H-1."""
    return int.from_bytes(hashlib.md5(partition_key.encode()).digest(), "big")


def uniform_ranges(count):
    """API-H-2: the ranges of a stream created with so many shards."""
    width = 2**128 // count
    return [(i * width, MAX_HASH if i == count - 1 else (i + 1) * width - 1) for i in range(count)]


def hash_range(shard):
    return int(shard["HashKeyRange"]["StartingHashKey"]), int(shard["HashKeyRange"]["EndingHashKey"])


def is_open(shard):
    return "EndingSequenceNumber" not in shard["SequenceNumberRange"]


def covers_all(shards):
    """API-H-3: whether these shards partition the hash keys."""
    ranges = sorted(map(hash_range, shards))
    return (
        bool(ranges) and ranges[0][0] == 0 and ranges[-1][1] == MAX_HASH
        and all(a[1] + 1 == b[0] for a, b in zip(ranges, ranges[1:])))


def shard_id(index):
    return f"shardId-{index:012d}"


@dataclasses.dataclass
class Number:
    """A sequence number, taken apart (API-Q-1)."""
    created: int
    index: int
    arrived: int
    shard: int

    @staticmethod
    def parse(text):
        assert re.fullmatch(r"\d{56}", text), text
        digits = f"{int(text):047x}"
        assert len(digits) == 47 and digits[0] == "2" and digits[46] == "2" and digits[27:29] == "00", digits
        number = Number(
            int(digits[1:10], 16), int(digits[11:27], 16), int(digits[29:38], 16), int(digits[38:46], 16))
        assert int(digits[10], 16) == number.shard & 15, digits
        assert number.index < 2**63, digits
        return number

    @property
    def text(self):
        return str(int(
            f"2{self.created:09x}{self.shard & 15:x}{self.index:016x}00{self.arrived:09x}{self.shard:08x}2", 16))


@contextlib.contextmanager
def refused(code, message=None, status=400):
    """The call of boto3 in the block is refused so. `message` is the exact text, or a compiled pattern."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        found = error.response["Error"]
        assert found["Code"] == code, f"{found['Code']}: {found.get('Message')}"
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status
        check_text(found.get("Message"), message)
    else:
        raise AssertionError(f"not refused with {code}")


def check_text(found, wanted):
    if isinstance(wanted, re.Pattern):
        assert wanted.fullmatch(found), found
    elif wanted is not None:
        assert found == wanted


def violations(text):
    """The set of violations of a ValidationException (API-E-21)."""
    found = re.fullmatch(r"(\d+) validation errors? detected: (.*)", text, re.S)
    assert found, text
    parts = found.group(2).split("; ")
    assert int(found.group(1)) == len(parts), text
    assert ("errors" in text.split(" detected")[0]) == (len(parts) != 1), text
    return set(parts)


def violation(value, path, constraint):
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


AT_LEAST = "Member must have length greater than or equal to {}".format
AT_MOST = "Member must have length less than or equal to {}".format
VALUE_AT_LEAST = "Member must have value greater than or equal to {}".format
VALUE_AT_MOST = "Member must have value less than or equal to {}".format
NOT_NULL = "Member must not be null"
PATTERN = "Member must satisfy regular expression pattern: {}".format
ENUM = "Member must satisfy enum value set: [{}]".format
NAME_PATTERN = "[a-zA-Z0-9_.-]+"
