"""SlackSandbox: the whole stand-in on one loopback port, with the handles that tests and the demo hold."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlsplit

from aiohttp import web

from bot.sandbox.listening import HOST, Listener, listen
from bot.sandbox.slack import control, reading
from bot.sandbox.slack.announcing import Announcer
from bot.sandbox.slack.changes import PATIENCE_SECONDS
from bot.sandbox.slack.delivery import Courier, Delivery, Disguise, Sent
from bot.sandbox.slack.downloads import Downloads
from bot.sandbox.slack.errors import ClientRefuses
from bot.sandbox.slack.faults import Fault, FaultHook, Faults
from bot.sandbox.slack.files import SlackFile
from bot.sandbox.slack.foreign_pages import turn_away_pages
from bot.sandbox.slack.person import Person
from bot.sandbox.slack.response_urls import ResponseUrls
from bot.sandbox.slack.socket_mode import Sockets
from bot.sandbox.slack.stage import Stage
from bot.sandbox.slack.upload_desk import UploadDesk
from bot.sandbox.slack.views import Triggers, Views
from bot.sandbox.slack.web_api import ApiCall, Pace, WebApi, scopes_or_default
from bot.sandbox.slack.workspace import Workspace
from bot.sandbox.slack.world import BOT_NAME, BOT_USER_ID, JSON, TEAM_ID, Channel, Message, User, World

UPLOAD_MAX_BYTES = 64 * 1024 * 1024


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SlackSandbox:
    """A Slack workspace for one app: `await start()`, point the bot at `api_url`, act as a `person`.

    Everything runs on the caller's event loop. `clock` rules message times, triggers, response_urls and
    the posting pace; time limits of connections run by the loop. `events` are the manifest's bot_events, of which
    `app_mention` and `message.im` matter here; None means both, as far as `scopes` allow. `public_url` is how the bot
    reaches it where something stands before it (without a slash at its end): all addresses that it gives begin so,
    those of files with `files_url` if that is given.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        bot_token: str = "xoxb-sandbox",
        app_token: str = "xapp-sandbox",
        signing_secret: str = "sandbox-secret",
        events_url: str | None = None,
        scopes: Iterable[str] | None = None,
        events: Iterable[str] | None = None,
        posts_per_second: float | None = None,
        trigger_seconds: float = 3.0,
        event_retry_seconds: tuple[float, ...] = (0, 60, 300),
        answer_seconds: float = 3.0,
        file_seconds: float = 0.0,
        clock: Callable[[], datetime] = _utc_now,
        public_url: str | None = None,
        files_url: str | None = None,
    ) -> None:
        self.bot_token = bot_token
        self.app_token = app_token
        self.signing_secret = signing_secret
        self._port = port
        self._public_url = public_url
        self._files_url = files_url
        self._world = World(clock)
        self._faults = Faults()
        self._sockets = Sockets(self._world)
        views, triggers = Views(self._world), Triggers(clock, trigger_seconds)
        workspace = Workspace(
            world=self._world,
            views=views,
            triggers=triggers,
            scopes=scopes_or_default(scopes),
            file_seconds=file_seconds,
        )
        self._courier = Courier(
            self._world,
            self._sockets,
            events_url=events_url,
            signing_secret=signing_secret,
            answer_seconds=answer_seconds,
            event_retry_seconds=event_retry_seconds,
        )
        self._workspace = workspace
        self._api = WebApi(
            workspace,
            self._faults,
            bot_token=bot_token,
            app_token=app_token,
            pace=Pace(posts_per_second, clock),
            connections_open=self._sockets.new_address,
        )
        self._response_urls = ResponseUrls(self._world)
        self._upload_desk = UploadDesk(workspace, self._api.record)
        self._downloads = Downloads(workspace, bot_token=bot_token, record=self._api.record)
        self._stage = Stage(
            world=self._world,
            views=views,
            triggers=triggers,
            response_urls=self._response_urls,
            courier=self._courier,
            announcer=Announcer(self._world, self._courier, scopes=workspace.scopes, events=events),
        )
        self._listener: Listener | None = None
        self._furnish()

    async def start(self) -> None:
        outside = [urlsplit(url).hostname for url in (self._public_url, self._files_url) if url]
        guard = turn_away_pages(*filter(None, outside))
        app = web.Application(client_max_size=UPLOAD_MAX_BYTES, middlewares=[guard])
        app.on_response_prepare.append(self._date)
        app.router.add_route("*", "/api/{method}", self._api.handle)
        app.router.add_post("/hooks/{kind}/{team}/{number}/{secret}", self._answer_hook)
        app.router.add_get("/link/", self._sockets.serve)
        self._downloads.add_routes(app)
        self._upload_desk.add_routes(app)
        control.add_routes(app, self)
        self._listener = await listen(app, self._port, grace_seconds=0.2)
        self._port = self._listener.port
        self._world.base_url = self._public_url or f"http://{HOST}:{self._port}"
        self._world.files_url = self._files_url or self._world.base_url
        await self._courier.start()

    async def stop(self) -> None:
        await self._courier.stop()
        await self._sockets.stop()
        if self._listener is not None:
            await self._listener.close()
            self._listener = None

    async def _date(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Answers are dated by the clock that signs requests and numbers messages."""
        response.headers["Date"] = format_datetime(self._world.clock().astimezone(UTC), usegmt=True)

    @property
    def port(self) -> int:
        """On the loopback; known once started."""
        return self._port

    @property
    def api_url(self) -> str:
        return f"{self._world.base_url}/api/"

    @property
    def events_url(self) -> str | None:
        return self._courier.events_url

    @events_url.setter
    def events_url(self, url: str | None) -> None:
        self._courier.events_url = url

    @property
    def answer_seconds(self) -> float:
        """How long the bot has to answer a request."""
        return self._courier.answer_seconds

    @answer_seconds.setter
    def answer_seconds(self, seconds: float) -> None:
        self._courier.answer_seconds = seconds

    @property
    def world(self) -> World:
        """Which workspace, organization and app the bot's token is of, and all that is the case there."""
        return self._world

    @property
    def disguise(self) -> Disguise | None:
        """Changes each payload on its way to the bot: as if another workspace or app had sent it."""
        return self._courier.disguise

    @disguise.setter
    def disguise(self, change: Disguise | None) -> None:
        self._courier.disguise = change

    @property
    def channels(self) -> dict[str, Channel]:
        return self._world.channels

    @property
    def users(self) -> dict[str, User]:
        return self._world.users

    @property
    def files(self) -> dict[str, SlackFile]:
        return self._world.files

    @property
    def usergroups(self) -> dict[str, set[str]]:
        return self._world.usergroups

    @property
    def calls(self) -> list[ApiCall]:
        return self._api.calls

    @property
    def sent(self) -> Sequence[Sent]:
        """The last requests to the bot, oldest first."""
        return self._courier.sent

    @property
    def has_home(self) -> bool:
        """Whether the app's Home tab is switched on; where it is not, `views.publish` is refused."""
        return self._workspace.has_home

    @has_home.setter
    def has_home(self, switched_on: bool) -> None:
        self._workspace.has_home = switched_on

    @property
    def socket_count(self) -> int:
        """How many Socket Mode connections stand ready for payloads."""
        return len(self._sockets.ready)

    @property
    def fault(self) -> FaultHook | None:
        return self._faults.hook

    @fault.setter
    def fault(self, hook: FaultHook | None) -> None:
        self._faults.hook = hook

    def fail_next(self, method: str, *faults: Fault) -> None:
        """Spoil the next requests of this method, one fault each.

        Besides Web API methods: `files.download`, `files.upload` (the bytes that the bot sends) and `response_url`.
        """
        self._faults.queue(method, *faults)

    def add_user(
        self,
        user_id: str,
        name: str,
        *,
        guest: bool = False,
        bot: bool = False,
        deleted: bool = False,
        stranger: bool = False,
        team_id: str | None = None,
        single_channel_guest: bool = False,
        invited: bool = False,
        workflow_bot: bool = False,
        enterprise_id: str | None = None,
        enterprise_teams: Iterable[str] = (),
    ) -> User:
        """`enterprise_teams`: the workspaces of that organization where the person is a member."""
        user = User(
            id=user_id,
            name=name,
            team_id=team_id or ("T0OTHER0001" if stranger else TEAM_ID),
            is_guest=guest,
            is_bot=bot,
            is_deleted=deleted,
            is_stranger=stranger,
            is_single_channel_guest=single_channel_guest,
            is_invited=invited,
            is_workflow_bot=workflow_bot,
            enterprise_id=enterprise_id,
            enterprise_teams=tuple(enterprise_teams),
        )
        return self._world.add_user(user)

    def add_channel(
        self,
        channel_id: str,
        name: str,
        *,
        private: bool = False,
        members: Iterable[str] = (),
        bot_is_member: bool = True,
        ext_shared: bool = False,
        archived: bool = False,
    ) -> Channel:
        """An id that begins with D makes a direct conversation of its members."""
        channel = Channel(
            id=channel_id,
            name=name,
            is_private=private,
            is_im=channel_id.startswith("D"),
            is_ext_shared=ext_shared,
            is_archived=archived,
            members={*members, *([BOT_USER_ID] if bot_is_member else [])},
        )
        return self._world.add_channel(channel)

    def add_usergroup(self, group_id: str, members: Iterable[str], *, name: str | None = None) -> None:
        """Without a name it goes by its id."""
        self._world.usergroups[group_id] = set(members)
        self._world.usergroup_names[group_id] = name or group_id

    def token_of(self, user_id: str, *, admin: bool = True, scopes: Iterable[str] = ("files:write",)) -> str:
        """The token that an app gets from somebody who installs it; as an `admin` of the workspace, or not."""
        self._world.users[user_id].is_admin = admin
        token = f"xoxp-{user_id}"
        self._api.people[token] = (user_id, list(scopes))
        return token

    def forbid_deleting_files(self) -> None:
        """The workspace's own setting: nobody deletes files any more."""
        self._workspace.files_may_be_deleted = False

    def person(self, user_id: str) -> Person:
        if user_id not in self._world.users:
            raise ClientRefuses(f"there is no user {user_id}")
        return Person(self._stage, user_id)

    def messages(self, channel_id: str) -> list[Message]:
        """What stands in the channel, roots and replies, in order of ts; deleted and ephemeral ones not."""
        return [post for post in self._world.channels[channel_id].posts if not post.deleted]

    def thread(self, channel_id: str, root_ts: str) -> list[Message]:
        """The root, if it still stands, and its replies."""
        return [post for post in self.messages(channel_id) if root_ts in (post.ts, post.thread_ts)]

    def direct_messages(self, user_id: str) -> list[Message]:
        channel = self._world.direct_channel(user_id)
        return [post for post in self.messages(channel.id) if post.user == BOT_USER_ID]

    def ephemerals(self, user_id: str) -> list[Message]:
        """What only this person saw: answers to commands, chat.postEphemeral, response_url."""
        return [post for post in self._world.ephemerals if post.ephemeral_to == user_id and not post.deleted]

    def bot_files(self, channel_id: str) -> list[tuple[Message, SlackFile]]:
        """Each file that the bot shared there, with the message it stands in (`thread_ts` names the thread)."""
        posts = [post for post in self.messages(channel_id) if post.user == BOT_USER_ID]
        return [(post, file) for post in posts for file in post.files]

    def delete_message(self, channel_id: str, ts: str, *, tombstone: bool = False) -> None:
        """As a person would. `tombstone`: Slack keeps the place of a root that has replies."""
        channel = self._world.channels[channel_id]
        message = channel.find(ts)
        if message is None:
            raise ClientRefuses(f"there is no message {ts} in {channel_id}")
        self._world.delete(message, tombstone=tombstone and bool(channel.replies(ts)))

    def plain(self, message_or_view: Message | JSON) -> str:
        return reading.plain(message_or_view, names=self._world.names)

    async def wait_for(self, condition: Callable[[], bool], timeout_seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until `condition` holds; looked at anew at each change. Raises TimeoutError."""
        await self._world.changes.until(condition, timeout_seconds)

    async def deliver(self, kind: str, payload: JSON, *, retry_num: int = 0, retry_reason: str = "") -> Delivery:
        """Send a raw payload once: kind is slash_commands, interactive or events_api."""
        return await self._courier.deliver(kind, payload, retry_num=retry_num, retry_reason=retry_reason)

    async def emit(self, event: JSON, *, is_ext_shared: bool = False) -> Delivery:
        """Wrap an event as Slack does and send it, with retries in the background."""
        return await self._courier.emit(event, is_ext_shared=is_ext_shared)

    async def disconnect_sockets(self, reason: str = "refresh_requested", *, abrupt: bool = False) -> None:
        await self._sockets.disconnect(reason, abrupt=abrupt)

    async def _answer_hook(self, request: web.Request) -> web.StreamResponse:
        return await self._api.record(request, "response_url", lambda call: self._response_urls.answer(request, call))

    def _furnish(self) -> None:
        """The preset world."""
        people = {"U0AMINA0001": "amina", "U0REMI00001": "remi", "U0MUSA00001": "musa"}
        for user_id, name in people.items():
            self.add_user(user_id, name)
        self.add_user(BOT_USER_ID, BOT_NAME, bot=True)
        self.add_channel("C0KYCREQ001", "kyc-requests", members=people)
        reviewers = ("U0REMI00001", "U0MUSA00001")
        self.add_channel("C0KYCREV001", "kyc-review", private=True, members=reviewers)
