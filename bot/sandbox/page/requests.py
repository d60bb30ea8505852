"""What each address of an act reads from its request."""

from collections.abc import Awaitable, Callable

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from bot.sandbox.page.acts import Acts, Answer, Photo, Press

Act = Callable[[Acts, Request], Awaitable[Answer]]
"""Raises KeyError, TypeError or ValueError for what it does not understand."""


async def _photos(form: FormData) -> list[Photo]:
    uploads = [part for part in form.getlist("files") if isinstance(part, UploadFile)]
    return [(upload.filename or "file", await upload.read()) for upload in uploads]


async def _say(acts: Acts, request: Request) -> Answer:
    async with request.form() as form:
        return await acts.say(
            str(form["channel"]),
            str(form.get("text", "")),
            thread_ts=str(form.get("thread", "")) or None,
            photos=await _photos(form),
            with_samples=form.get("samples") == "1",
        )


async def _attach(acts: Acts, request: Request) -> Answer:
    async with request.form() as form:
        return await acts.attach(
            str(form["view"]),
            str(form["block"]),
            await _photos(form),
            with_samples=form.get("samples") == "1",
        )


async def _click(acts: Acts, request: Request) -> Answer:
    """`{"block": …, "action": …, "value": …}`, and where it stands.

    That is `{"channel": …, "ts": …}`, `{"view": …}` or `{"home": true}`.
    """
    given = await request.json()
    press = Press(action_id=str(given["action"]), block_id=given.get("block"), value=given.get("value"))
    if given.get("home"):
        return await acts.press_at_home(press)
    if "view" in given:
        return await acts.press_in_modal(given["view"], press)
    return await acts.press_in_message(given["channel"], given["ts"], press)


async def _fill(acts: Acts, request: Request) -> Answer:
    given = await request.json()
    return await acts.fill(given["view"], given["block"], given["text"], press_enter=bool(given.get("enter")))


async def _choose(acts: Acts, request: Request) -> Answer:
    given = await request.json()
    return await acts.choose(given["view"], given["block"], given["action"], given["value"], typed=given.get("typed"))


async def _detach(acts: Acts, request: Request) -> Answer:
    given = await request.json()
    return await acts.detach(given["view"], given["block"], given["file"])


async def _submit(acts: Acts, request: Request) -> Answer:
    return await acts.submit((await request.json())["view"])


async def _close(acts: Acts, request: Request) -> Answer:
    given = await request.json()
    return await acts.close(given["view"], all_views=bool(given.get("all")))


async def _shortcut(acts: Acts, request: Request) -> Answer:
    return await acts.shortcut((await request.json())["callback"])


async def _message_shortcut(acts: Acts, request: Request) -> Answer:
    given = await request.json()
    return await acts.message_shortcut(given["callback"], given["channel"], given["ts"])


async def _delete(acts: Acts, request: Request) -> Answer:
    given = await request.json()
    return await acts.delete(given["channel"], given["ts"])


async def _home(acts: Acts, _request: Request) -> Answer:
    return await acts.open_home()


async def _seen(acts: Acts, request: Request) -> Answer:
    given = await request.json()
    return acts.seen(given["channel"], given["ts"])


async def _dismiss(acts: Acts, request: Request) -> Answer:
    given = await request.json()
    return acts.dismiss(given["user"], given["ts"])


LOOKING = (_home, _seen, _dismiss)
"""What changes nothing but what is seen."""
ACTS: dict[str, Act] = {
    "say": _say,
    "click": _click,
    "choose": _choose,
    "fill": _fill,
    "attach": _attach,
    "detach": _detach,
    "submit": _submit,
    "close": _close,
    "shortcut": _shortcut,
    "message-shortcut": _message_shortcut,
    "delete": _delete,
    "home": _home,
    "seen": _seen,
    "dismiss": _dismiss,
}
