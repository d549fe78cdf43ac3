"""Nothing that a page does reaches an address outside its site: a real listener counts what arrives."""

import socket
import threading

import pytest
from page_steps import at, do, seen

WAYS = {
    "navigation": "<a href='http://HOST/x'>go</a>",
    "ping": "<a href='/thanks' ping='http://HOST/ping'>go</a>",
    "form": "<form method=post action='http://HOST/x'><button>go</button></form>",
    "new tab": "<a href='http://HOST/x' target=_blank>go</a>",
    "fetch": "<button onclick=\"fetch('http://HOST/x', {mode: 'no-cors', keepalive: true})\">go</button>",
    "beacon": "<button onclick=\"navigator.sendBeacon('http://HOST/x', 'a')\">go</button>",
    "socket": "<button onclick=\"new WebSocket('ws://HOST/x')\">go</button>",
    "events": "<button onclick=\"new EventSource('http://HOST/x')\">go</button>",
    "worker": "<button onclick=\"new Worker(URL.createObjectURL(new Blob(['fetch(`http://HOST/x`)'])))\">go</button>",
    "picture": "<img src='http://HOST/x.png'><button>go</button>",
    "favicon": "<link rel=icon href='http://HOST/i.ico'><button>go</button>",
    "prefetch": "<link rel=dns-prefetch href='//HOST'><link rel=preconnect href='http://HOST'>"
    "<link rel=prefetch href='http://HOST/x'><button>go</button>",
    "frame": "<iframe src='http://HOST/x'></iframe><button>go</button>",
    "stream": "<button onclick=\"const c = new RTCPeerConnection({iceServers: [{urls: 'stun:HOST'}]});"
    "c.createDataChannel('a'); c.createOffer().then(o => c.setLocalDescription(o))\">go</button>",
    "refresh": "<button onclick=\"document.head.innerHTML += `<meta http-equiv=refresh content='0;url=http://HOST/x'>`\">"
    "go</button>",
}


class Listener:
    """A port on loopback, for connections and datagrams, that counts what comes."""

    def __init__(self):
        self.arrived = []
        self.stream = socket.create_server(("127.0.0.1", 0))
        self.port = self.stream.getsockname()[1]
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.bind(("127.0.0.1", self.port))
        threading.Thread(target=self._streams, daemon=True).start()
        threading.Thread(target=self._datagrams, daemon=True).start()

    def _streams(self):
        while True:
            try:
                connection, _ = self.stream.accept()
            except OSError:
                return
            self.arrived.append("connection")
            connection.close()

    def _datagrams(self):
        while True:
            try:
                self.datagrams.recvfrom(100)
            except OSError:
                return
            self.arrived.append("datagram")

    def close(self):
        self.stream.close()
        self.datagrams.close()


@pytest.fixture
def listener():
    found = Listener()
    yield found
    found.close()


def test_the_listener_counts_what_arrives(listener):
    socket.create_connection(("127.0.0.1", listener.port)).close()
    for _ in range(200):
        if listener.arrived:
            break
        threading.Event().wait(0.01)
    assert listener.arrived == ["connection"]


@pytest.mark.slow
def test_no_way_out_of_a_page_reaches_the_network(opened, book, listener):
    world = opened()
    for way, page in WAYS.items():
        for host in (f"127.0.0.1:{listener.port}", f"localhost:{listener.port}"):
            book.pages["/way"] = f"<title>{way}</title>" + page.replace("HOST", host)
            do(world, ("goto", {"url": "/way"}))
            kind = "link" if "<a " in page else "button"
            do(world, ("click", at(world, kind, "go")))
            while len(world.state.reading.tabs) > 1:
                do(world, ("tab_close", {}))
    assert "Guest book" in seen(world, ("goto", {"url": "/"}))
    assert listener.arrived == []
