"""A TCP relay between a client and the broker that notes when the client's first acknowledgement passes."""
import socket, threading, time
from urllib.parse import urlsplit

# The end of every basic.ack method frame's head: class 60, method 80.
ACK = b"\x00\x3c\x00\x50"


class Relay:
    def __init__(self, url):
        self.broker = urlsplit(url)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = url.replace(f":{self.broker.port}/", f":{self.listener.getsockname()[1]}/")
        self.acknowledged = threading.Event()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        client, _ = self.listener.accept()
        broker = socket.create_connection((self.broker.hostname, self.broker.port))
        for end in (client, broker):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self.copy, args=(broker, client), daemon=True).start()
        self.copy(client, broker, self.note)

    def note(self, data):
        if ACK in data and not self.acknowledged.is_set():
            self.at = time.perf_counter()
            self.acknowledged.set()

    def copy(self, source, target, look=lambda data: None):
        try:
            while data := source.recv(1 << 16):
                look(data)
                target.sendall(data)
        except OSError:
            pass
        finally:
            source.close(), target.close()
