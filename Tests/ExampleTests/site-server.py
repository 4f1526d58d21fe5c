"""Serves a folder on a free port of loopback, and tells who asks: site-server.py FOLDER [HELD]

It prints its port, then the path of each request as it comes, until its standard input ends. The first request for HELD is
never answered: whoever asks is in the middle of something for as long as the test needs."""
import functools
import http.server
import sys
import threading

held = sys.argv[2:]
lock = threading.Lock()


class Pages(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        with lock:
            print(self.path, flush=True)
            is_held = self.path in held
            if is_held:
                held.remove(self.path)
        if is_held:
            self.rfile.read()  # until the other side is gone
        else:
            super().do_GET()

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(
    ("127.0.0.1", 0), functools.partial(Pages, directory=sys.argv[1]))
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
