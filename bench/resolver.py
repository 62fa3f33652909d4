"""resolver.py - postfix-mta-sts-resolver with its answers in its fastest cache, for socketmap_bench.

    resolver.py SOCKET DOMAINS

Serves its own responder, unchanged, on a Unix socket. The policies of d0.example … are put into its
internal cache as fetched just now, so that every question is a hit: no DNS, no HTTPS, no database. Says
"ready" on standard output.
"""
import asyncio
import sys
import time

import uvloop
from postfix_mta_sts_resolver.base_cache import CacheEntry
from postfix_mta_sts_resolver.internal_cache import InternalLRUCache
from postfix_mta_sts_resolver.responder import STSSocketmapResponder


async def serve(path, domains):
    cache = InternalLRUCache(cache_size=domains)
    zone = {"strict_testing": False, "timeout": 4, "require_sni": True}
    settings = {"path": path, "mode": 0o666, "reuse_port": False, "shutdown_timeout": 1,
                "cache_grace": 3600, "default_zone": zone, "zones": {}}
    responder = STSSocketmapResponder(settings, asyncio.get_running_loop(), cache)
    policy = {"version": "STSv1", "mode": "enforce", "mx": ["mx.example.net"], "max_age": 86400}
    for number in range(domains):
        await cache.set(f"d{number}.example", CacheEntry(time.time(), "1", policy))
    await responder.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


uvloop.install()  # as its own daemon does where it is there
asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
