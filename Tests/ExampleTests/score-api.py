"""An HTTP API as they are: it counts its callers, fails now and then, is slow now and then, and charges once a key.

It prints its port, serves until its standard input ends, and prints what it has charged as JSON."""
import http.server
import json
import sys
import threading
import time

lock = threading.Lock()
calls = {}
charged = {}


class Scores(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        customer = int(self.path.rsplit("/", 1)[1])
        key = self.headers["Idempotency-Key"]
        with lock:
            calls[customer] = calls.get(customer, 0) + 1
            call = calls[customer]
        # The first call of some fails, in each way that there is.
        if customer % 10 == 3 and call == 1:
            return self.answer(429, {}, {"Retry-After": "0.2"})
        if customer % 10 == 5 and call <= 2:
            return self.answer(500, {})
        if customer % 25 == 7:
            return self.answer(404, {})
        with lock:
            charged.setdefault(key, []).append(customer)
            points = customer * 7 % 100
        if customer % 50 == 9 and call == 1:
            # Done, but the answer is not heard.
            time.sleep(4)
        return self.answer(200, {"customer": customer, "points": points})

    def answer(self, status, body, headers={}):
        data = json.dumps(body).encode()
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            pass

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scores)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
with lock:
    keys = {}
    for key, customers in charged.items():
        for customer in customers:
            keys.setdefault(customer, set()).add(key)
    print(
        json.dumps(
            {
                "customers": sorted(keys),
                "keys": max(len(found) for found in keys.values()),
                "calls": sum(calls.values()),
            }
        ),
        flush=True,
    )
