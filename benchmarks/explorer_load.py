"""Many clients at the explorer at once: none lost, none mixed up, memory flat, a clean end.

    KERAS_BACKEND=tensorflow python benchmarks/explorer_load.py [--clients 8] [--requests 500]

Starts `optogram explore` on a network of Fashion-MNIST's size in a process of its own. Each client
asks over a socket and over HTTP, several questions at a time; it cancels some, goes away during
others, drops its socket and loads the page again, and adds photos. Every answer is compared with
the library's. In the end the process is stopped with Ctrl-C while questions are open.
"""

import argparse
import asyncio
import io
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
import psutil
from PIL import Image
from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import fashion
import optogram as og
from unpacking import event, unpacked

PATIENCE = 300
TRIED = 48


class Known:
    """What the library answers, and what is asked."""

    def __init__(self, folder):
        data = fashion.made(train=256, test=TRIED)
        model = og.training.train(data, epochs=1, batch=64).model
        model.save(folder / "clothes.keras")
        self.net = og.load(folder / "clothes.keras", preprocess="none")
        self.contents = []
        for number, image in enumerate(data.test_images):
            content = io.BytesIO()
            Image.fromarray(image).save(content, "PNG")
            (folder / f"{number}.png").write_bytes(content.getvalue())
            self.contents.append(content.getvalue())
        self.scores = [self.net.scores(content)[0] for content in self.contents]
        self.pixels = [self.net.display(self.net.prepare(each))[0] for each in self.contents]
        self.names = [self.net.labels.names[i] for i in range(self.net.head.classes)]
        self.steps = [step.name for step in self.net.graph.steps]
        self.ids = {}

    def question(self, chance):
        """(name, parameters, whether an answer is right)."""
        number = chance.randrange(TRIED)
        photo = self.ids[number]
        kind = chance.choice(["predictions"] * 6 + ["prepared"] * 2 + ["classes", "steps"])

        def is_right(answer):
            about, arrays = answer
            if kind == "predictions":
                return np.allclose(arrays["scores"], self.scores[number], atol=1e-4)
            if kind == "prepared":
                return np.array_equal(arrays["pixels"], self.pixels[number])
            if kind == "classes":
                return about["names"] == self.names
            return [step["name"] for step in about["steps"]] == self.steps

        given = {"photo": photo} if kind in ("predictions", "prepared") else {}
        return kind, {"model": 0, **given}, is_right


class Client:
    """One person with a page, who is never satisfied."""

    def __init__(self, known, address, number, counts):
        self.known, self.address, self.counts = known, address, counts
        self.chance = random.Random(number)
        self.http = httpx.AsyncClient(base_url=address, timeout=PATIENCE)
        self.socket = None
        self.asked = 0

    async def run(self, requests):
        """Ask ``requests`` times."""
        done = 0
        while done < requests:
            act = self.chance.choices(
                [self.several, self.http_question, self.leave_http, self.reload, self.add],
                [50, 20, 10, 8, 12],
            )[0]
            done += await act()
        if self.socket:
            await self.socket.close()
        await self.http.aclose()

    async def several(self):
        """Some questions at a time over the socket, a quarter of which are cancelled."""
        if self.socket is None:
            address = self.address.replace("http", "ws") + "api/socket"
            self.socket = await connect(address, max_size=None)
        waiting = {}
        for _ in range(count := self.chance.randint(1, 12)):
            self.asked += 1
            name, given, is_right = self.known.question(self.chance)
            ask = {"ask": self.asked, "name": name, "with": given}
            await self.socket.send(json.dumps(ask))
            if self.chance.random() < 0.25:
                await self.socket.send(json.dumps({"cancel": self.asked}))
                self.counts["cancelled"] += 1
            else:
                waiting[self.asked] = is_right
        # Half of those who go do so while answers are on their way.
        if self.chance.random() < 0.05:
            self.socket.transport.abort()
            self.socket = None
            self.counts["left open"] += len(waiting)
            return count
        while waiting:
            about, answer = event(await asyncio.wait_for(self.socket.recv(), PATIENCE))
            if about["event"] == "result":
                # One that was cancelled may have been answered before.
                is_right = waiting.pop(about["ask"], lambda _: True)
                self.count(is_right(answer))
            elif about["event"] == "error":
                waiting.pop(about["ask"], None)
                self.counts[f"error: {about['error']}"] += 1
        return count

    def count(self, is_right):
        """Note that an answer came."""
        self.counts["right" if is_right else "MIXED UP"] += 1

    async def http_question(self):
        """One question over HTTP."""
        name, given, is_right = self.known.question(self.chance)
        answer = await self.http.get(f"api/{name}", params=given)
        if answer.status_code != 200:
            self.counts[f"status {answer.status_code}"] += 1
        else:
            self.count(is_right(unpacked(answer.content)))
        return 1

    async def leave_http(self):
        """A question over HTTP that is not waited for."""
        name, given, is_right = self.known.question(self.chance)
        asking = asyncio.ensure_future(self.http.get(f"api/{name}", params=given))
        await asyncio.sleep(self.chance.random() * 0.05)
        if asking.done():
            self.count(is_right(unpacked(asking.result().content)))
        else:
            asking.cancel()
            self.counts["gone"] += 1
        return 1

    async def reload(self):
        """The page again, with its modules and photos."""
        if self.socket:
            self.socket.transport.abort()
            self.socket = None
        page = (await self.http.get("")).text
        for path in ("page/main.js", "page/page.css", "page/wire.js"):
            assert (await self.http.get(path)).status_code == 200 and "optogram" in page
        listed = (await self.http.get("api/photos")).json()
        assert {photo["id"] for photo in listed} >= set(self.known.ids.values())
        self.counts["reloads"] += 1
        return 6

    async def add(self):
        """A photo that is there, and its picture."""
        number = self.chance.randrange(TRIED)
        content = self.known.contents[number]
        added = await self.http.post("api/photos", content=content, params={"name": "a.png"})
        self.count(added.json()["id"] == self.known.ids[number])
        shown = await self.http.get(f"api/photos/{self.known.ids[number]}/picture")
        with Image.open(io.BytesIO(shown.content)) as image:
            given = np.asarray(image.convert("L")).astype(int)
        self.count(np.abs(given - self.known.pixels[number][..., 0]).max() <= 1)
        return 2


async def load(known, address, clients, requests, first):
    """Counts of what all clients saw."""
    counts = Counter()
    people = [Client(known, address, first + number, counts) for number in range(clients)]
    await asyncio.gather(*(each.run(requests) for each in people))
    return counts


async def leave_open(address, known, end):
    """Sockets with open questions until the process has ended."""
    sockets = [await connect(address.replace("http", "ws") + "api/socket") for _ in range(8)]
    for socket in sockets:
        for ask in range(8):
            name, given, _ = known.question(random.Random(ask))
            await socket.send(json.dumps({"ask": ask, "name": name, "with": given}))
    return await asyncio.to_thread(end)


def main():
    """Serve, ask, and say what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        known = Known(folder)
        command = [sys.executable, "-m", "optogram", "explore", str(folder), "--no-browser"]
        command += ["--model", str(folder / "clothes.keras"), "--preprocess", "none"]
        # So little that answers are dropped and computed again.
        command += ["--memory", "20KB"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            address = server.stdout.readline().strip()
            listed = httpx.get(f"{address}api/photos", timeout=PATIENCE).json()
            known.ids = {int(Path(each["name"]).stem): each["id"] for each in listed}
            process = psutil.Process(server.pid)
            sizes = []
            for turn in range(4):
                begun = time.perf_counter()
                share = given.requests // 4
                counts = asyncio.run(load(known, address, given.clients, share, 100 * turn))
                took = time.perf_counter() - begun
                sizes.append(process.memory_info().rss / 1e6)
                print(
                    f"{given.clients} clients, {share} requests each, {took:.1f} s: "
                    f"{dict(counts)}; {sizes[-1]:.0f} MB, {process.num_threads()} threads, "
                    f"{len(process.net_connections())} connections",
                    flush=True,
                )

            def end():
                begun = time.perf_counter()
                server.send_signal(signal.SIGINT)
                status = server.wait(PATIENCE)
                return f"status {status} after {time.perf_counter() - begun:.1f} s"

            print(f"Ctrl-C: ended with {asyncio.run(leave_open(address, known, end))}")
        finally:
            server.kill()


if __name__ == "__main__":
    main()
