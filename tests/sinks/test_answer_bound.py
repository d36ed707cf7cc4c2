"""What a server may send, counted from the last request on."""

from __future__ import annotations

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.web.client import URI, BrowserLikePolicyForHTTPS

from bssci.sinks.answer_bound import ANSWER_READ, INTERIM_ANSWERS, BoundEndpoints, _BoundFactory


class Listener(Protocol):
    def __init__(self) -> None:
        self.received = 0

    def dataReceived(self, data: bytes) -> None:
        self.received += len(data)


def test_it_is_cut_when_too_much_comes_after_a_request() -> None:
    listener, transport = Listener(), StringTransport()
    bound = _BoundFactory(Factory.forProtocol(lambda: listener)).buildProtocol(None)
    bound.makeConnection(transport)
    for _ in range(3):
        listener.transport.write(b"request")
        bound.dataReceived(bytes(ANSWER_READ))
    listener.transport.writeSequence([b"re", b"quest"])
    bound.dataReceived(bytes(ANSWER_READ))
    assert listener.received == 4 * ANSWER_READ and not transport.disconnected
    assert transport.value() == b"request" * 4
    bound.dataReceived(b"x")
    assert listener.received == 4 * ANSWER_READ and transport.disconnected


def test_it_is_cut_at_interim_answers_without_end() -> None:
    listener, transport = Listener(), StringTransport()
    bound = _BoundFactory(Factory.forProtocol(lambda: listener)).buildProtocol(None)
    bound.makeConnection(transport)
    for _ in range(2):
        listener.transport.write(b"request")
        for _ in range(INTERIM_ANSWERS):
            bound.dataReceived(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert not transport.disconnected
    bound.dataReceived(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    assert transport.disconnected


def test_the_protocol_itself_is_what_is_connected() -> None:
    reactor = MemoryReactorClock()
    endpoints = BoundEndpoints(reactor, BrowserLikePolicyForHTTPS())
    listener = Listener()
    connected: list[object] = []
    endpoint = endpoints.endpointForURI(URI.fromBytes(b"http://127.0.0.1:81/"))
    endpoint.connect(Factory.forProtocol(lambda: listener)).addBoth(connected.append)
    [(host, port, factory, *_)] = reactor.tcpClients
    assert (host, port) == ("127.0.0.1", 81)
    factory.buildProtocol(None).makeConnection(StringTransport())
    assert connected == [listener]
    endpoints.endpointForURI(URI.fromBytes(b"https://127.0.0.1/")).connect(Factory.forProtocol(Listener))
    assert reactor.tcpClients[-1][1] == 443
