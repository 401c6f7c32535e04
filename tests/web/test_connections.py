"""Connections to a server on the loopback address: bounded in number and in silence."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time

import pytest
import uvicorn

from koalarize.web.connections import Bounds
from koalarize.web.server import open_socket, server_config

MIB = 1 << 20


async def app(scope, receive, send):
    """Answers at once, without reading the body; `/long` with a long answer."""
    if scope["type"] != "http":
        return
    body = bytes(8 * MIB) if scope["path"] == "/long" else b"well"
    length = str(len(body)).encode()
    headers = [(b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.contextmanager
def serving(**bounds):
    """Yield the address and the server."""
    listening = open_socket("127.0.0.1", 0)
    server = uvicorn.Server(server_config(app, bounds=Bounds(**bounds)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield listening.getsockname(), server
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()


def closes(connection, within=3.0):
    """Whether the server ends a connection, without having said anything more."""
    connection.settimeout(within)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def until(connection, end):
    read = b""
    while not read.endswith(end):
        piece = connection.recv(1000)
        assert piece, f"closed after {read!r}"
        read += piece
    return read


def ask(address, path="/"):
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return connection.recv(100)


def test_silent_connections_do_not_make_it_deaf():
    with serving(connections=12, per_address=8, head=60) as (address, _):
        opened = [
            socket.create_connection(address, source_address=(f"127.0.0.{1 + number // 10}", 0))
            for number in range(20)
        ]
        end = time.monotonic() + 3
        while len(select.select(opened, [], [], 0)[0]) < 8 and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.2)  # and no more of them
        refused = [one for one in opened if closes(one, 0.01)]
        assert len(refused) == 8
        for one in opened:
            one.close()
        time.sleep(0.1)
        assert ask(address).startswith(b"HTTP/1.1 200")


def test_other_addresses_have_places_left():
    with serving(connections=12, per_address=4, head=60) as (address, _):
        opened = [socket.create_connection(address) for _ in range(14)]
        time.sleep(0.1)
        with socket.create_connection(address, source_address=("127.0.0.2", 0)) as other:
            other.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert other.recv(15).startswith(b"HTTP/1.1 200")
        for one in opened:
            one.close()


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_is_never_complete(begun):
    with serving(head=0.3) as (address, _), socket.create_connection(address) as connection:
        connection.sendall(begun)
        assert closes(connection)


def test_a_head_that_comes_letter_by_letter():
    with serving(head=0.5) as (address, _), socket.create_connection(address) as connection:
        end = time.monotonic() + 5
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < end:
                connection.sendall(b"G")
                time.sleep(0.05)
        assert time.monotonic() < end


def test_a_second_head_on_the_same_connection():
    with serving(head=0.3) as (address, _), socket.create_connection(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert until(connection, b"well").startswith(b"HTTP/1.1 200")
        time.sleep(0.5)  # an idle connection is uvicorn's own to end
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert until(connection, b"well").startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET / HT")
        assert closes(connection)


@pytest.mark.parametrize("other", ["h2c", "websocket"])
def test_a_client_that_would_change_the_protocol_is_answered_without_a_word(caplog, other):
    with serving() as (address, _), socket.create_connection(address) as connection:
        connection.sendall(
            f"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: {other}\r\n\r\n".encode()
        )
        assert until(connection, b"well").startswith(b"HTTP/1.1 200")
    assert caplog.text == ""


def test_a_body_that_nobody_read():
    with serving(linger=0.3) as (address, _), socket.create_connection(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        end = time.monotonic() + 5
        with contextlib.suppress(ConnectionError):
            while time.monotonic() < end:
                connection.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() < end


def test_an_answer_that_nobody_reads():
    with serving(read=0.5) as (address, server):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(address)
        connection.sendall(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
        end = time.monotonic() + 5
        time.sleep(0.3)
        assert server.server_state.connections
        while server.server_state.connections and time.monotonic() < end:
            time.sleep(0.05)
        assert not server.server_state.connections
        connection.close()


def test_what_is_no_http_is_told_what_to_do():
    with serving() as (address, _), socket.create_connection(address, timeout=5) as client:
        client.sendall("GET /?name=über HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        read = until(client, b"this server")
        assert read.startswith(b"HTTP/1.1 400")
        assert b"percent-encoded" in read


def test_no_http_behind_an_answer_closes_without_a_word(caplog):
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serving() as (address, _), socket.create_connection(address) as client:
        client.sendall(head)
        until(client, b"well")
        client.sendall(b"no number\r\n")
        assert closes(client)
    assert "Fatal error" not in caplog.text
