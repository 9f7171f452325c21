"""The command `agents.rate` as a process, and a simulated rater over HTTP."""

import json
import os
import signal
import subprocess
import sys
from urllib.error import HTTPError
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import Request, urlopen

RATER = "simulated-1"


class ServerProcess:
    """`python -m agents.rate`, ready to be asked."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "agents.rate", *map(str, arguments), "--port", "0"]
        self.process = subprocess.Popen(
            [*command, "--rater", RATER],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            text=True,
        )
        self.address = self.process.stdout.readline().strip()
        assert self.address, self.process.stderr.read()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate()[0]


class HttpRater:
    """A simulated rater: a program that sends what the page would send."""

    def __init__(self, address, rater=RATER):
        self.parts, self.rater = urlsplit(address), rater
        self.token = parse_qs(self.parts.query)["token"][0]

    def send(self, path, body=None, **headers):
        """Returns the status and the answer: JSON where it is, else text."""
        given = {"X-Token": self.token, "Content-Type": "application/json"} | headers
        content = None if body is None else json.dumps(body).encode()
        request = Request(f"http://{self.parts.netloc}{path}", content, given)
        try:
            with urlopen(request, timeout=20) as answer:
                status, text, kind = answer.status, answer.read(), answer.headers["Content-Type"]
        except HTTPError as error:
            status, text, kind = error.code, error.read(), error.headers["Content-Type"]
        return status, json.loads(text) if kind == "application/json" else text.decode()

    def state(self):
        return self.send(f"/state?rater={quote(self.rater)}")[1]

    def rate(self, item, choice):
        return self.send("/rate", {"rater": self.rater, "item": item["numbers"], "choice": choice})

    def undo(self):
        return self.send("/undo", {"rater": self.rater})[1]
