"""A receiver of Scenarist's webhooks in plain Python: verifies each message and takes it once.

WEBHOOK_SECRET=whsec_... python webhook_receiver.py 8080
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
TOLERANCE_S = 300
seen = set()  # in real life a table with a unique column, kept for a week


def verified(headers, body):
    """Whether the message is from Scenarist and fresh. `body`: its bytes as they came, before any parsing."""
    message_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isdigit() or abs(time.time() - int(stamp)) > TOLERANCE_S:
        return False
    mac = hmac.digest(KEY, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256)
    expected = "v1," + base64.b64encode(mac).decode()
    # While a secret is being replaced there are two signatures; one that fits is enough.
    return any(hmac.compare_digest(expected, one) for one in headers.get("webhook-signature", "").split(" "))


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not verified(self.headers, body):
            self.send_error(401)
            return
        if self.headers["webhook-id"] not in seen:
            message = json.loads(body)
            # Work that takes long would be put into a queue here.
            say(f"{message['type']} {message['data'].get('scenario_id', '')}")
            seen.add(self.headers["webhook-id"])
        self.send_response(204)
        self.end_headers()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    say(f"http://127.0.0.1:{server.server_address[1]}/")
    server.serve_forever()
