"""Headless Chromium, driven over its debugging pipe: keys, and values of expressions."""

import json
import os
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATH = next((found for name in NAMES if (found := shutil.which(name))), None)
CODES = {"ArrowLeft": 37, "ArrowRight": 39, "Tab": 9, "Enter": 13}


class Browser:
    """One page. Messages are JSON texts that end with a zero byte (`--remote-debugging-pipe`)."""

    def __init__(self, folder):
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        flags = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run"
        # Chromium reads commands from descriptor 3 and writes answers to 4.
        shell = (
            f"exec {PATH} {flags} --user-data-dir={folder} --remote-debugging-pipe about:blank "
            f"3<&{commands} 4>&{answers} 2>/dev/null"
        )
        self._process = subprocess.Popen(["bash", "-c", shell], pass_fds=(commands, answers))
        os.close(commands)
        os.close(answers)
        self._number, self._read, self._session = 0, b"", None
        (target,) = (
            each["targetId"]
            for each in self.call("Target.getTargets")["targetInfos"]
            if each["type"] == "page"
        )
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]

    def call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self):
        while b"\0" not in self._read:
            part = os.read(self._answers, 1 << 16)
            assert part, "the browser has ended"
            self._read += part
        line, self._read = self._read.split(b"\0", 1)
        return json.loads(line)

    def open(self, address):
        self.call("Page.navigate", url=address)
        self.wait(f"location.href === {json.dumps(address)}")  # no longer the page before

    def value(self, expression, *, may_fail=False):
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert may_fail or "exceptionDetails" not in found, found
        return None if "exceptionDetails" in found else found["result"].get("value")

    def wait(self, expression, seconds=20.0):
        """Returns the value of an expression once it is true; it fails while a page loads."""
        end = time.monotonic() + seconds
        while not (found := self.value(expression, may_fail=True)):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.02)
        return found

    def press(self, key):
        """Presses a key once: a letter, a digit, or a name in `CODES`."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        code = CODES.get(key, ord(key[0].upper()))
        parts = {"key": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **parts)
        self.call("Input.dispatchKeyEvent", type="keyUp", **parts)

    def close(self):
        self._process.terminate()
        self._process.wait()
        for pipe in (self._commands, self._answers):
            os.close(pipe)
