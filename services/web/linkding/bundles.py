"""Requests about bundles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from services.web.linkding.bundle import bundle_fields, shown
from services.web.linkding.bundle_store import BundleStore
from services.web.linkding.call import Call, answer, done


async def list_bundles(call: Call) -> Response:
    async def read(limit: int, offset: int) -> tuple[int, Sequence[dict[str, Any]]]:
        count, bundles = await _store(call).page(call.me.user_id, limit, offset)
        return count, list(map(shown, bundles))

    return await call.page(read)


async def get_bundle(call: Call) -> Response:
    return answer(shown(await _store(call).get(call.me.user_id, call.number)))


async def create(call: Call) -> Response:
    sent = bundle_fields(await call.body(), is_whole=True)
    return answer(shown(await _store(call).add(call.me.user_id, sent)), 201)


async def replace(call: Call) -> Response:
    sent = bundle_fields(await call.body(), is_whole=True)
    return answer(shown(await _store(call).edit(call.me.user_id, call.number, sent)))


async def change(call: Call) -> Response:
    sent = bundle_fields(await call.body(), is_whole=False)
    return answer(shown(await _store(call).edit(call.me.user_id, call.number, sent)))


async def delete(call: Call) -> Response:
    await _store(call).delete(call.me.user_id, call.number)
    return done()


def _store(call: Call) -> BundleStore:
    return BundleStore(call.deps.database)
