"""A crowd that holds connections open in every way: silent, half a head, a body that trickles with a valid signature, and
readers who read nothing. It runs in a process of its own, so that it does not slow the client that is measured.

    crowd.py HOST PORT ACCESS_KEY SECRET_KEY CONNECTIONS TARGET

prints `ready` once all of them are open, and goes on, opening anew what the server closes, until it is ended.
"""

import asyncio
import contextlib
import itertools
import resource
import sys

from wire import Signer

#: A connection that was closed is opened again after this long.
PAUSE_SECONDS = 1


class Crowd:
    def __init__(self, host, port, key, target):
        self.address = (host, port)
        self.signer = Signer(f"{host}:{port}", key)
        self.target = target
        self.opened = 0

    async def run(self, connections):
        ways = itertools.cycle([self.silent, self.half_a_head, self.trickling, self.not_reading])
        members = [asyncio.create_task(self.member(way)) for way, _ in zip(ways, range(connections))]
        while self.opened < connections:
            await asyncio.sleep(0.05)
        print("ready", flush=True)
        await asyncio.gather(*members)

    async def member(self, way):
        first = True
        while True:
            with contextlib.suppress(OSError):
                # A small buffer for the readers: what they do not read stays with the server.
                reader, writer = await asyncio.open_connection(*self.address, limit=4096)
                self.opened += first
                first = False
                await way(reader, writer)
                writer.close()
            await asyncio.sleep(PAUSE_SECONDS)

    async def silent(self, reader, _writer):
        await reader.read()

    async def half_a_head(self, _reader, writer):
        for byte in b"GET /media/hostile HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 1000:
            await self.trickle(writer, byte)

    async def trickling(self, _reader, writer):
        writer.write(self.signer.head("PUT", "/media/trickled", [("content-length", "100000")]))
        for byte in bytes(1000):
            await self.trickle(writer, byte)

    async def not_reading(self, _reader, writer):
        writer.write(self.signer.request("GET", self.target))
        while not writer.is_closing():
            await asyncio.sleep(PAUSE_SECONDS)

    async def trickle(self, writer, byte):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(1)


def main():
    host, port, access_key, secret_key, connections, target = sys.argv[1:]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    crowd = Crowd(host, int(port), (access_key, secret_key), target)
    asyncio.run(crowd.run(int(connections)))


if __name__ == "__main__":
    main()
