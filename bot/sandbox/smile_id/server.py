"""The stand-in itself: a server on a loopback port, its controls for tests, and its life."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial

from aiohttp import web

from bot.sandbox.listening import HOST, Listener, listen

from . import catalogue, control
from .api import Api, answered
from .callbacks import Postman
from .faults import Fault
from .front import Front
from .playing import Pace, Player
from .records import Message, SandboxJob, SeenRequest, SentCallback
from .register import Register
from .signature import Signer
from .stories import known

_LARGEST_BODY_BYTES = 256 * 1024 * 1024
_LOOK_AGAIN_SECONDS = 0.02
_PATIENCE_SECONDS = 120.0
"""How long is waited for what must come, however busy the machine is."""


class SmileIDSandbox:
    """Smile ID's v1 API for one partner, on a free or given loopback port.

    It can be stopped and started again: it keeps its address and its jobs, while deliveries and reviews that
    were under way are given up. Where something stands before it, `public_url` is how the bot reaches it, and
    `storage_url` where zips go to and photos come from (both without a slash at their end).
    """

    def __init__(
        self,
        *,
        partner_id: str,
        api_key: str,
        port: int = 0,
        story: str = "approved",
        callback_delay_seconds: float = 0.2,
        review_delay_seconds: float = 1.0,
        callback_retry_seconds: tuple[float, ...] = (1, 5, 30),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        public_url: str | None = None,
        storage_url: str | None = None,
    ) -> None:
        self.partner_id = partner_id
        self.api_key = api_key
        self.base_url = ""
        """With `/v1`; known once started."""

        self.stories_by_id_number: dict[str, str] = {}
        self.next_story: str | None = None
        """For the next sound package alone, whatever its ID number."""
        self.every_story: str | None = None
        """For all packages from now on, whatever their ID numbers; None leaves it to these, and to `story`."""
        self.products: dict[str, object] | None = None
        """What products_config answers; None makes it answer 404."""
        self.services: dict[str, object] = catalogue.services()
        """What services answers."""

        self.callbacks: list[SentCallback] = []
        """Every try to deliver a message, oldest first."""

        self._story = known(story)
        self._port = port
        self._public_url = public_url
        self._storage_url = storage_url
        self._changed = asyncio.Event()
        self._signer = Signer(partner_id, api_key)
        self._register = Register(self._signer, clock)
        self._postman = Postman(
            seal=self._register.seal,
            retry_seconds=callback_retry_seconds,
            sent=self.callbacks,
            changed=self._changed.set,
            clock=clock,
        )
        self.pace = Pace(callback_delay_seconds=callback_delay_seconds, review_delay_seconds=review_delay_seconds)
        self._player = Player(self._register, self._postman, pace=self.pace, changed=self._changed.set)
        self._clock = clock
        self._front = Front(self._changed.set, clock)
        self._api = Api(self, signer=self._signer, register=self._register, player=self._player, clock=clock)
        self._listener: Listener | None = None

    async def start(self) -> None:
        """Bind the port; raises `OSError` if it is taken."""
        app = web.Application(client_max_size=_LARGEST_BODY_BYTES)
        app.add_routes(self._routes())
        app.on_response_prepare.append(self._date)
        self._listener = await listen(app, self._port)
        self._port = self._listener.port
        self.base_url = f"{self._public_url or self._address}/v1"
        self._postman.open()

    async def stop(self) -> None:
        """Close the port and give up everything under way; harmless when not started."""
        await self._player.stop()
        if self._listener is not None:
            await self._listener.close()
            self._listener = None
        await self._postman.close()

    async def _date(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Answers are dated by the clock that signs them."""
        response.headers["Date"] = format_datetime(self._clock().astimezone(UTC), usegmt=True)

    @property
    def port(self) -> int:
        """On the loopback; known once started."""
        return self._port

    @property
    def _address(self) -> str:
        return f"http://{HOST}:{self._port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port of the links that it gives."""
        return self._storage_url or self._public_url or self._address

    @property
    def story(self) -> str:
        """What becomes of jobs whose zip comes from now on; an unknown one raises `ValueError`."""
        return self._story

    @story.setter
    def story(self, name: str) -> None:
        self._story = known(name)

    def take_order(self) -> str | None:
        """The story that the package at hand follows whatever its ID number, if one was ordered."""
        ordered, self.next_story = self.next_story, None
        return ordered or self.every_story

    @property
    def jobs(self) -> dict[str, SandboxJob]:
        """All jobs by the partner's job_id."""
        return self._register.jobs

    @property
    def requests(self) -> list[SeenRequest]:
        """Every request to Smile ID's endpoints, in order of arrival."""
        return self._front.requests

    @property
    def fault(self) -> Callable[[str, int], Fault | None] | None:
        """Asked for each request that `fail_next` leaves alone: its call, and its number from 1 on."""
        return self._front.fault

    @fault.setter
    def fault(self, hook: Callable[[str, int], Fault | None] | None) -> None:
        self._front.fault = hook

    def fail_next(self, call: str, *faults: Fault) -> None:
        """Let the next requests of this call fail, one fault each, in this order."""
        self._front.fail_next(call, *faults)

    def let_people_speak(self, *, for_good: bool = True) -> None:
        """What people at Smile ID have to say is said now, however long their review was to take.

        `for_good` holds for the reviews to come as well.
        """
        self._player.let_people_speak(for_good=for_good)

    def sign(self, timestamp: str) -> str:
        """The signature of this partner, and of Smile ID towards it, for a timestamp."""
        return self._signer.sign(timestamp)

    async def send_callback(
        self,
        job_id: str,
        message: Message,
        *,
        signed: bool = True,
        timestamp: str | None = None,
        signature: str | None = None,
        token_url: str | None = None,
    ) -> int:
        """Deliver one message by hand, as Smile ID or as an attacker; returns the receiver's status.

        The message goes as it is, with a timestamp (now, unless given) and its signature (unless given) if it
        is to be signed. `token_url` replaces the job's own URL. Raises `ConnectionError` without an answer.
        """
        url = self.jobs[job_id].callback_url if token_url is None else token_url
        body = self._register.seal(message) if signed else dict(message)
        if timestamp is not None:
            body["timestamp"] = timestamp
            if signed:
                body["signature"] = self.sign(timestamp)
        if signature is not None:
            body["signature"] = signature
        sent = await self._postman.try_once(job_id, url, body)
        if sent.status is None:
            raise ConnectionError(sent.fault)
        return sent.status

    async def wait_for(self, condition: Callable[[], bool], timeout_seconds: float = _PATIENCE_SECONDS) -> None:
        """Return once the condition holds; raises `TimeoutError` if it does not in time."""
        async with asyncio.timeout(timeout_seconds):
            while not condition():
                self._changed.clear()
                # The condition may look at things we are not told of, so look again now and then.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), _LOOK_AGAIN_SECONDS)

    def _routes(self) -> list[web.RouteDef]:
        api, watch = self._api, self._front.watch
        return [
            web.post("/v1/upload", watch("upload", api.upload)),
            web.put("/videos/{partner}/{reference}/attachments.zip", watch("put", api.put)),
            web.post("/v1/job_status", watch("job_status", api.job_status)),
            web.get("/v1/services", watch("services", api.services)),
            web.post("/v1/products_config", watch("products_config", api.products_config)),
            web.get("/images/{smile_job_id}/selfie.jpg", partial(answered, api.selfie)),
            web.post("/sandbox/story", self._choose_story),
            web.get("/sandbox/jobs", self._list_jobs),
        ]

    async def _choose_story(self, request: web.Request) -> web.Response:
        try:
            name, id_number = control.read_choice(await request.read())
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        if id_number is None:
            self.story = name
        else:
            self.stories_by_id_number[id_number] = name
        return web.json_response({"story": name})

    async def _list_jobs(self, _request: web.Request) -> web.Response:
        listing = control.listing(self.jobs.values())
        return web.json_response(listing, dumps=lambda jobs: json.dumps(jobs, indent=2) + "\n")


async def serve_forever(sandbox: SmileIDSandbox) -> None:
    """Start the stand-in, say where it is, and serve until cancelled."""
    await sandbox.start()
    try:
        print(f"Smile ID sandbox at {sandbox.base_url}", flush=True)
        await asyncio.Event().wait()
    finally:
        await sandbox.stop()


async def run(port: int, partner_id: str, api_key: str, story: str = "approved") -> None:
    """`serve_forever` for the command line; raises `OSError` for a taken port, `ValueError` for a story."""
    await serve_forever(SmileIDSandbox(partner_id=partner_id, api_key=api_key, port=port, story=story))
