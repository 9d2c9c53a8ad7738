"""A mail server that keeps what it gets."""

from __future__ import annotations

import email
import socketserver
from email.message import Message
from threading import Thread
from typing import Any, Self

from tests.processes.running_site import wait_for


def text_of(message: Message) -> str:
    """As a program for e-mail shows it."""
    decoded = message.get_payload(decode=True)
    assert isinstance(decoded, bytes)
    return decoded.decode()


class MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.got: list[Message] = []
        self.accepts = True

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *args: Any) -> None:
        self.shutdown()
        super().__exit__(*args)

    def last(self, count: int = 1) -> Message:
        """The newest message, once ``count`` have come."""
        wait_for(lambda: len(self.got) >= count, "an e-mail", timeout=20)
        return self.got[-1]


class Conversation(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.say("220 ready")
        for line in iter(self.rfile.readline, b""):
            command = line[:4].upper()
            if command == b"DATA":
                self.say("354 go on")
                self.take()
            elif command == b"RCPT" and not self.server.accepts:
                self.say("550 no such mailbox")
            else:
                self.say("221 bye" if command == b"QUIT" else "250 fine")

    def take(self) -> None:
        lines = list(iter(self.rfile.readline, b".\r\n"))
        self.server.got.append(email.message_from_bytes(b"".join(lines)))
        self.say("250 kept")

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())
