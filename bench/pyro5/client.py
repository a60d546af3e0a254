"""A process of the Python version: an agent that does what it is told, one line a
command on standard input, one line of answer. The Go benchmarks drive it; loops
are measured here, so that the pipe is no part of them.

usage: client.py URI
"""

import os
import sys
import threading
import time

import Pyro5.api

Pyro5.config.SERIALIZER = "serpent"
Pyro5.config.SOCK_NODELAY = True

root = Pyro5.api.Proxy(sys.argv[1])
users = Pyro5.api.Proxy(root.user_requests)
queues = [
    Pyro5.api.Proxy(uri)
    for uri in (users.step_1_link_finder_queue, users.step_2_tweets_indexer_queue, users.step_3_reverse_search_queue)
]
semaphore = Pyro5.api.Proxy(users.thread_step_2_tweets_indexer_sem)
tweets = Pyro5.api.Proxy(Pyro5.api.Proxy(root.scan_requests).step_C_index_tweets_queue)
limitator = Pyro5.api.Proxy(root.http_limitator)


class Claim:
    """A claimed request: its proxy is a connection of its own, as in the original."""

    def __init__(self, step):
        self.uri = queues[step - 1].get()
        self.request = Pyro5.api.Proxy(self.uri)
        self.url = self.request.input_url
        self.status = 2 * step - 1
        users.set_request_to_next_step(self.uri, self.status - 1)

    def advance(self):
        if self.status == 1:
            self.request.twitter_accounts_with_id = [("some_artist", 1234567890)]
            self.request.image_urls = ["https://example.com/images/0123456789abcdef.png"]
            self.request.utc_timestamp = 1600000000.0
        elif self.status == 5:
            self.request.found_tweets = [{"account_id": 1234567890, "tweet_id": 1357924680, "image_position": 1,
                                          "images_count": 1, "distance": 2}]
        self.end(False)

    def fail(self):
        self.request.problem = 1
        self.end(True)

    def end(self, force):
        users.set_request_to_next_step(self.uri, self.status, force)
        self.request._pyroRelease()


def wait_at_step_3(uri):
    """A thread has a proxy of its own: Pyro lets no two use one."""
    Pyro5.api.Proxy(uri).get()


def status(uri):
    """The five attributes that a poll reads, one call each."""
    with Pyro5.api.Proxy(uri) as request:
        return (request.status, request.problem, request.twitter_accounts_with_id, request.image_urls, request.found_tweets)


launched = 0


def new_url():
    global launched
    launched += 1
    return f"https://example.com/new/{os.getpid()}/{launched}"


def check(ok):
    if not ok:
        raise RuntimeError("wrong answer")


# Each returns the nanoseconds of n operations. What is around the measured loop
# brings the memory into the state that the operation wants, and back.


def timed(n, operation):
    start = time.perf_counter_ns()
    for i in range(n):
        operation(i)
    return time.perf_counter_ns() - start


def launch_and_end(_):
    uri, created = users.launch_request(new_url())
    check(created)
    Claim(1).fail()


def drain(step, n):
    for _ in range(n):
        Claim(step).fail()


def run_launch(n):
    return timed(n, launch_and_end)


def run_lookup(n, count=512):
    urls = [new_url() for _ in range(count)]
    for url in urls:
        users.launch_request(url)
    taken = timed(n, lambda i: check(users.find_request(urls[i % count])))
    drain(1, count)
    return taken


def run_find(n, fill):
    """Looks up what the server was filled with, in a scattered order."""
    urls = [f"https://example.com/fill/{i * 7919 % fill}" for i in range(4096)]
    return timed(n, lambda i: check(users.find_request(urls[i % 4096])))


def run_status(n):
    uri, _ = users.launch_request(new_url())
    Claim(1).advance()
    taken = timed(n, lambda _: check(status(uri)[0] == 2))
    drain(2, 1)
    return taken


def run_put(n):
    taken = timed(n, tweets.put)
    for _ in range(n):
        tweets.get()
    return taken


def run_get(n):
    for i in range(n):
        tweets.put(i)
    return timed(n, lambda i: check(tweets.get() == i))


def run_putget(n):
    return timed(n, lambda i: (tweets.put(i), tweets.get()))


def run_acquire(n):
    return timed(n, lambda _: (semaphore.acquire(), semaphore.release()))


def run_canrequest(n):
    ips = [f"10.0.{i >> 8}.{i & 255}" for i in range(1024)]
    return timed(n, lambda i: limitator.can_request(ips[i & 1023]))


def run_advance(n):
    taken, done = 0, 0
    while done < n:
        batch = min(256, n - done)
        for _ in range(batch):
            users.launch_request(new_url())
        taken += timed(batch, lambda _: Claim(1).advance())
        drain(2, batch)
        done += batch
    return taken


held = {}


def command(words):
    match words:
        case ["run", op, *args]:
            return globals()["run_" + op](*map(int, args))
        case ["launch", url]:
            uri, created = users.launch_request(url)
            return uri, int(created)
        case ["lookup", url]:
            return users.find_request(url) or "-"
        case ["status", uri]:
            state, problem, accounts, images, found = status(uri)
            return (state, problem, ",".join(f"{id}:{name}" for name, id in accounts) or "-", ",".join(images) or "-",
                    ",".join(f"{f['account_id']}:{f['tweet_id']}:{f['image_position']}:{f['images_count']}:{f['distance']}"
                             for f in found) or "-")
        case ["claim", step]:
            claim = Claim(int(step))
            held[len(held) + 1] = claim
            return len(held), claim.uri, claim.url
        case ["advance", number]:
            held[int(number)].advance()
        case ["fail", number]:
            held[int(number)].fail()
        case ["put", value]:
            tweets.put(int(value))
        case ["get"]:
            return tweets.get()
        case ["acquire"]:
            semaphore.acquire()
        case ["release"]:
            semaphore.release()
        case ["allow", ip]:
            return int(limitator.can_request(ip))
        # What follows are the agents' workloads; agent_test.go has them in Go.
        case ["front", n]:
            for _ in range(int(n)):
                users.launch_request(new_url())
        case ["work", step, n]:
            for _ in range(int(n)):
                Claim(int(step)).advance()
        case ["puts", n, pace]:
            at = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            for i in range(int(n)):
                at += int(pace)
                time.sleep(max(0, at - time.clock_gettime_ns(time.CLOCK_MONOTONIC)) / 1e9)
                tweets.put(time.clock_gettime_ns(time.CLOCK_MONOTONIC))
        case ["gets", n]:
            print("ready", flush=True)
            taken = []
            for _ in range(int(n)):
                put = tweets.get()
                taken.append(time.clock_gettime_ns(time.CLOCK_MONOTONIC) - put)
            return taken
        case ["block", n]:
            waiting = [threading.Thread(target=wait_at_step_3, args=(queues[2]._pyroUri,)) for _ in range(int(n))]
            for thread in waiting:
                thread.start()
            print("ready", flush=True)
            for thread in waiting:
                thread.join()
        case _:
            raise ValueError(f"unknown command {words}")
    return ()


print("ready", flush=True)
for line in sys.stdin:
    try:
        answer = command(line.split())
        print("ok", *(answer if isinstance(answer, (tuple, list)) else (answer,)), flush=True)
    except Exception as e:
        print("error", *str(e).split(), flush=True)
