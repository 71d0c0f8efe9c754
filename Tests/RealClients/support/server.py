"""`shardline serve` as a process: started, stopped, killed."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

ACCOUNT = "000000000000"
REGION = "us-east-1"
# How long anything may take on a machine that is busy with other things.
PATIENCE = 60


def program():
    """The command under test: of SHARDLINE_PROGRAM, or as `make test` builds it."""
    named = os.environ.get("SHARDLINE_PROGRAM")
    if named:
        return named
    package = pathlib.Path(__file__).resolve().parents[3]
    for build in (".build/full/debug", ".build/debug"):
        if (package / build / "shardline").exists():
            return str(package / build / "shardline")
    raise RuntimeError("set SHARDLINE_PROGRAM to the command shardline")


def eventually(condition, what, patience=PATIENCE):
    """Asks until `condition()` is true, and returns what it gave."""
    deadline = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {patience} s still not: {what}"
        time.sleep(0.02)


class Server:
    """A server on a store of its own. `clock` is a Clock whose time it lives in."""

    def __init__(self, data, *flags, environment=None, clock=None, port=0):
        self.data = pathlib.Path(data)
        self.flags = [str(flag) for flag in flags]
        self.environment = dict(environment or {})
        self.clock = clock
        self.port = port
        self.process = None
        self.clients = {}
        self.starts = 0

    # The process

    def start(self):
        self.data.parent.mkdir(parents=True, exist_ok=True)
        self.starts += 1
        self.log = self.data.parent / f"{self.data.name}.log"
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SHARDLINE_"))}
        variables.update(self.environment)
        if self.clock:
            variables.update(self.clock.environment())
        command = [program(), "serve", "--port", str(self.port), "--data", str(self.data), *self.flags]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=variables, text=True)
        self.printed = []
        self.is_ready = threading.Event()
        self.reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self.reader.start()
        if not self.is_ready.wait(PATIENCE) or not self.endpoint:
            self.kill()
            raise AssertionError(f"the server printed no endpoint: {self.printed}\n{self.said()}")
        # A server that is started again keeps its address: clients go on.
        self.port = int(self.endpoint.rsplit(":", 1)[1])
        return self

    endpoint = None

    def _read(self, process):
        for line in process.stdout:
            self.printed.append(line.rstrip("\n"))
            found = re.search(r"http://[\w.\[\]:-]+:\d+", line)
            if found and not self.is_ready.is_set():
                self.endpoint = found.group()
                self.is_ready.set()
        self.is_ready.set()

    def said(self, lines=40):
        """The end of what it wrote to standard error; of a crash the reason and the first frames."""
        text = self.log.read_text(errors="replace").splitlines()
        crash = [number for number, line in enumerate(text) if "Fatal error" in line or " crashed:" in line]
        return "\n".join(
            [line for number in crash for line in text[number:number + 16]] if crash else text[-lines:])

    def stop(self):
        """A graceful shutdown, which ends with 0."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"after SIGTERM the server did not end within {PATIENCE} s\n{self.said()}") from None
        self.reader.join()
        process.stdout.close()
        assert status == 0, f"the server ended with {status}\n{self.said()}"

    def kill(self):
        if self.process is None:
            return
        process, self.process = self.process, None
        process.kill()
        process.wait()
        self.reader.join()
        process.stdout.close()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def resident(self):
        """Its memory in bytes."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) * 1024

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind:
            self.kill()
        else:
            self.stop()

    # Clients

    @property
    def address(self):
        host, port = self.endpoint.removeprefix("http://").rsplit(":", 1)
        return host, int(port)

    def client_environment(self):
        """For programs of AWS that are started."""
        variables = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        variables.update(
            AWS_ENDPOINT_URL_KINESIS=self.endpoint, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test",
            AWS_DEFAULT_REGION=REGION, AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE="/nonexistent",
            AWS_SHARED_CREDENTIALS_FILE="/nonexistent", AWS_PAGER="",
            PATH=f"{pathlib.Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
        return variables

    def boto(self, region=REGION, key="test", secret="test", retries=0, validates=False, pool=10, timeout=PATIENCE):
        """A client of boto3. By default it checks no parameters, so that the server has to, and tries once."""
        import boto3
        from botocore.config import Config

        name = (self.endpoint, region, key, secret, retries, validates, pool, timeout)
        if name not in self.clients:
            self.clients[name] = boto3.session.Session().client(
                "kinesis", endpoint_url=self.endpoint, region_name=region, aws_access_key_id=key,
                aws_secret_access_key=secret,
                config=Config(
                    retries={"total_max_attempts": retries + 1, "mode": "standard"}, parameter_validation=validates,
                    max_pool_connections=pool, connect_timeout=timeout, read_timeout=timeout))
        return self.clients[name]


class Clock:
    """The system's clock of a server, moved by the test: a preloaded library adds what a file says."""

    def __init__(self, folder):
        source = pathlib.Path(__file__).with_name("move_clock.c")
        self.library = pathlib.Path(folder) / "move_clock.so"
        self.file = pathlib.Path(folder) / "clock-offset"
        compiler = next((path for path in map(shutil.which, ("cc", "gcc", "clang")) if path), None)
        assert compiler, "a C compiler is needed (cc, gcc or clang)"
        subprocess.run(
            [compiler, "-O1", "-shared", "-fPIC", "-o", str(self.library), str(source), "-ldl"], check=True)
        self.file.write_bytes(bytes(8))

    def environment(self):
        return {"LD_PRELOAD": str(self.library), "SHARDLINE_CLOCK_OFFSET": str(self.file)}

    def move_to(self, seconds):
        """The server's clock is this much ahead of the machine's (or with a negative number late)."""
        with open(self.file, "r+b", buffering=0) as file:
            file.write(int(seconds * 1_000_000_000).to_bytes(8, sys.byteorder, signed=True))
