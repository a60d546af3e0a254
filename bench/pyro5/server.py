"""The object tree of the Python version, behind a Pyro5 daemon, as its processes
used it: every object is registered with the daemon, what refers to another object
is its URI, and an attribute that is read or set is a call.

Kinder than the original: requests are found by a dictionary, not by a search; a
queue's get waits in the server and is not polled once a second; an URI that comes
back as an argument is resolved in the daemon, not through a connection of the
server to itself.

usage: server.py USERS FILL; prints "ready URI"; ends with its standard input.
"""

import collections
import math
import os
import queue
import sys
import threading
import time

import Pyro5.api

Pyro5.config.SERIALIZER = "serpent"
Pyro5.config.THREADPOOL_SIZE = 2000  # a proxy is a connection, a connection is a thread
Pyro5.config.SOCK_NODELAY = True

daemon = Pyro5.api.Daemon(host="localhost")


def register(obj):
    return str(daemon.register(obj))


def resolve(uri):
    return daemon.objectsById[uri[len("PYRO:") : uri.index("@")]]


@Pyro5.api.expose
class Queue:
    def __init__(self):
        self._queue = queue.SimpleQueue()

    def get(self):
        return self._queue.get()

    def put(self, item):
        self._queue.put(item)


@Pyro5.api.expose
class Semaphore:
    def __init__(self):
        self._semaphore = threading.Semaphore(1)

    def acquire(self):
        return self._semaphore.acquire()

    def release(self):
        self._semaphore.release()


@Pyro5.api.expose
class UserRequest:
    """Attributes are read and set one by one."""

    def __init__(self, input_url):
        self._input_url = input_url
        self._status = 0
        self._problem = 0
        self._accounts = []
        self._image_urls = []
        self._published = None
        self._found = []
        self._started = time.time()
        self._finished_date = None

    input_url = property(lambda self: self._input_url)
    status = property(lambda self: self._status)

    def _get_problem(self):
        return self._problem

    def _set_problem(self, value):
        self._problem = value

    def _get_accounts(self):
        return self._accounts

    def _set_accounts(self, value):
        self._accounts = value

    def _get_image_urls(self):
        return self._image_urls

    def _set_image_urls(self, value):
        self._image_urls = value

    def _get_published(self):
        return self._published

    def _set_published(self, value):
        self._published = value

    def _get_found(self):
        return self._found

    def _set_found(self, value):
        self._found = value

    problem = property(_get_problem, _set_problem)
    twitter_accounts_with_id = property(_get_accounts, _set_accounts)
    image_urls = property(_get_image_urls, _set_image_urls)
    utc_timestamp = property(_get_published, _set_published)
    found_tweets = property(_get_found, _set_found)


@Pyro5.api.expose
class UserRequests:
    def __init__(self, capacity):
        self._capacity = capacity
        self._lock = threading.Lock()
        self._requests = {}  # url: uri
        self._ended = collections.deque()
        self._queues = [Queue() for _ in range(3)]
        self._queue_uris = [register(q) for q in self._queues]
        self._semaphore = register(Semaphore())

    step_1_link_finder_queue = property(lambda self: self._queue_uris[0])
    step_2_tweets_indexer_queue = property(lambda self: self._queue_uris[1])
    step_3_reverse_search_queue = property(lambda self: self._queue_uris[2])
    thread_step_2_tweets_indexer_sem = property(lambda self: self._semaphore)

    def launch_request(self, url):
        with self._lock:
            uri = self._requests.get(url)
            if uri is not None:
                return uri, False
            if len(self._requests) >= self._capacity:
                self._shed()
            uri = register(UserRequest(url))
            self._requests[url] = uri
        self._queues[0].put(uri)
        return uri, True

    def find_request(self, url):
        with self._lock:
            return self._requests.get(url)

    def set_request_to_next_step(self, uri, status, force_end=False):
        """status is the one that the caller knows: a late call fails."""
        request = resolve(uri)
        with self._lock:
            if request._status != status:
                raise ValueError("the request has moved on")
            request._status = 6 if force_end else status + 1
            if request._status == 6:
                request._finished_date = time.time()
                self._ended.append(uri)
        if request._status in (2, 4):
            self._queues[request._status // 2].put(uri)

    def _shed(self):
        for _ in range(math.ceil(len(self._ended) / 16)):
            uri = self._ended.popleft()
            request = resolve(uri)
            del self._requests[request._input_url]
            daemon.unregister(request)


@Pyro5.api.expose
class ScanRequests:
    def __init__(self):
        self._tweets = register(Queue())

    step_C_index_tweets_queue = property(lambda self: self._tweets)


@Pyro5.api.expose
class HTTPLimitator:
    def __init__(self):
        self._lock = threading.Lock()
        self._last = {}

    def can_request(self, ip):
        now = time.monotonic()
        with self._lock:
            if now - self._last.get(ip, -2) < 1:
                return False
            self._last[ip] = now
            return True


@Pyro5.api.expose
class SharedMemory:
    def __init__(self, capacity):
        self._users = UserRequests(capacity)
        self._uris = register(self._users), register(ScanRequests()), register(HTTPLimitator())

    user_requests = property(lambda self: self._uris[0])
    scan_requests = property(lambda self: self._uris[1])
    http_limitator = property(lambda self: self._uris[2])


def main():
    root = SharedMemory(int(sys.argv[1]))
    for i in range(int(sys.argv[2])):
        root._users.launch_request(f"https://example.com/fill/{i}")
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    print("ready", register(root), flush=True)
    daemon.requestLoop()


main()
