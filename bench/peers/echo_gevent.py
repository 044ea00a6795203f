"""echo: gevent's StreamServer, a greenlet per connection."""
import time

import gevent
from gevent.server import StreamServer


def serve(conn, _address):
    while True:
        data = conn.recv(512)
        if not data:
            return
        if data.startswith(b"B"):
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                pass
        conn.sendall(data)


print("version", gevent.__version__)
server = StreamServer(("127.0.0.1", 0), serve, backlog=4096)
server.start()
print("port", server.server_port, flush=True)
server.serve_forever()
