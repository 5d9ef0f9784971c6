"""Tornado: IOStream in its promise style, or add_handler.

    tornado-echo.py stream|handler
"""

import asyncio
import socket
import sys

from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.tcpserver import TCPServer


class Echo(TCPServer):
    async def handle_stream(self, stream, address):
        stream.set_nodelay(True)
        try:
            while True:
                await stream.write(await stream.read_bytes(65536, partial=True))
        except StreamClosedError:
            pass


def handlers(listener):
    loop = IOLoop.current()

    def echo(connection, events):
        try:
            data = connection.recv(65536)
            if data and connection.send(data) == len(data):
                return
        except BlockingIOError:
            return
        except ConnectionError:
            pass
        loop.remove_handler(connection)
        connection.close()

    def accept(listener, events):
        while True:
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                return
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            loop.add_handler(connection, echo, IOLoop.READ)

    loop.add_handler(listener, accept, IOLoop.READ)


async def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setblocking(False)
    if sys.argv[1] == "stream":
        server = Echo()
        server.add_socket(listener)
    else:
        handlers(listener)
    print('{"port":%d}' % listener.getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
