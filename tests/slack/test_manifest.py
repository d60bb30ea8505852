"""The manifest asks Slack for what the bot handles and calls, for all of it and for nothing else.

Both directions are tried on the real Bolt app: what the manifest names is answered, and what it does not name is not.
"""

import ast
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest

import handlers
from bot.errors import SettingsFault
from bot.runtime import factory
from bot.sandbox.slack import SlackSandbox
from bot.settings import Settings
from bot.slack import manifest
from bot.slack.blocks import ids
from storage.engine.sealing import Sealer
from tests.sandbox.slack_setup import AMINA, by_http, running

ROOT = Path(__file__).parents[2]
HTTP_BASE = "https://kyc.example.com"
ENDPOINT = f"{HTTP_BASE}/slack/events"

EVENTS = re.findall(
    r"\w+",
    """
        app_home_opened app_mention app_rate_limited app_requested app_uninstalled
        assistant_thread_context_changed assistant_thread_started call_rejected channel_archive channel_created
        channel_deleted channel_history_changed channel_id_changed channel_left channel_rename channel_shared
        channel_unarchive channel_unshared dnd_updated dnd_updated_user email_domain_changed emoji_changed
        file_change file_comment_added file_comment_deleted file_comment_edited file_created file_deleted
        file_public file_shared file_unshared function_executed grid_migration_finished grid_migration_started
        group_archive group_close group_deleted group_history_changed group_left group_open group_rename
        group_unarchive im_close im_created im_history_changed im_open invite_requested link_shared
        member_joined_channel member_left_channel message message_metadata_deleted message_metadata_posted
        message_metadata_updated pin_added pin_removed reaction_added reaction_removed
        shared_channel_invite_accepted shared_channel_invite_approved shared_channel_invite_declined
        shared_channel_invite_received shared_channel_invite_requested star_added star_removed subteam_created
        subteam_members_changed subteam_self_added subteam_self_removed subteam_updated team_access_granted
        team_access_revoked team_domain_change team_join team_rename tokens_revoked user_change
        user_huddle_changed user_profile_changed user_status_changed workflow_step_execute
    """,
)
"""What an app can subscribe to (docs.slack.dev/reference/events, 2026-11)."""

SCOPES_OF_EVENTS = {
    "app_home_opened": frozenset[str](),
    "app_mention": frozenset({"app_mentions:read"}),
    "message.im": frozenset({"im:history"}),
    "app_uninstalled": frozenset[str](),
    "tokens_revoked": frozenset[str](),
    "member_joined_channel": frozenset({"channels:read", "groups:read"}),
    "member_left_channel": frozenset({"channels:read", "groups:read"}),
    "subteam_members_changed": frozenset({"usergroups:read"}),
    "subteam_updated": frozenset({"usergroups:read"}),
    "channel_shared": frozenset({"channels:read", "groups:read"}),
    "channel_unshared": frozenset({"channels:read", "groups:read"}),
    "user_change": frozenset({"users:read"}),
}
"""From docs.slack.dev/reference/events/<name> (2026-11); of members' events each scope brings its kind of channel."""

SCOPES_OF_FEATURES = frozenset({"commands"})
"""Slash commands and shortcuts (docs.slack.dev/reference/scopes/commands, 2026-11)."""

KINDS_OF_CONVERSATION = {
    "conversations.history": {"channels:history", "groups:history", "im:history"},
    "conversations.replies": {"channels:history", "groups:history", "im:history"},
    "conversations.info": {"channels:read", "groups:read"},
    "conversations.members": {"channels:read", "groups:read"},
    "conversations.list": {"channels:read", "groups:read"},
    "conversations.open": {"im:write"},
}
"""Where one of several scopes is enough to call a method at all, each opens one kind of conversation only.

Lost posts are looked for wherever the bot posts; of direct conversations it reads no more than that.
"""


def test_the_file_in_the_repository_is_what_the_code_renders() -> None:
    assert (ROOT / "app_manifest.yaml").read_text(encoding="utf-8") == manifest.render()


@pytest.mark.slow
@pytest.mark.parametrize("url", [None, HTTP_BASE, f"{HTTP_BASE}/"])
def test_slacks_own_schema_accepts_it(url: str | None) -> None:
    schema = json.loads((ROOT / "tests/data/slack/app-manifest.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(manifest.render(url)), schema)


def test_for_socket_mode_it_names_no_address() -> None:
    assert "http" not in json.dumps(manifest.build())
    assert manifest.build()["settings"]["socket_mode_enabled"] is True


def test_for_http_every_kind_of_request_goes_to_the_one_endpoint() -> None:
    built = manifest.build(HTTP_BASE)
    assert built["settings"]["socket_mode_enabled"] is False
    assert built["settings"]["event_subscriptions"]["request_url"] == ENDPOINT
    assert built["settings"]["interactivity"]["request_url"] == ENDPOINT
    assert {command["url"] for command in built["features"]["slash_commands"]} == {ENDPOINT}


@pytest.mark.parametrize("url", ["http://kyc.example.com", "kyc.example.com", "https://", "https://a@kyc.example.com"])
def test_an_address_that_slack_would_refuse_is_refused(url: str) -> None:
    with pytest.raises(SettingsFault):
        manifest.build(url)


def test_direct_messages_are_open() -> None:
    """Without the messages tab Slack refuses the bot's direct messages."""
    assert manifest.build()["features"]["app_home"]["messages_tab_enabled"] is True


# Against the handlers


@asynccontextmanager
async def real_app(folder: Path) -> AsyncIterator[tuple[SlackSandbox, AsyncApp]]:
    """The bot's own Bolt app, before a Slack that grants exactly what the manifest asks."""
    async with running(scopes=manifest.SCOPES) as slack, AsyncExitStack() as stack:
        settings = Settings.load(
            {
                "SLACK_BOT_TOKEN": slack.bot_token,
                "SLACK_SIGNING_SECRET": slack.signing_secret,
                "SLACK_API_URL": slack.api_url,
                "SMILE_ID_PARTNER_ID": "0421",
                "SMILE_ID_API_KEY": "never used here",
                "SMILE_ID_API_URL": "http://127.0.0.1:9/v1",
                "KYC_DATABASE": str(folder / "kyc.db"),
                "KYC_ENCRYPTION_KEYS": Sealer.new_key(),
                "KYC_REQUESTERS": AMINA,
            }
        )
        bot = await factory.build(settings, stack)
        stack.push_async_callback(bot.background.close)
        bolt = handlers.bolt(bot)
        async with by_http(slack, bolt):
            yield slack, bolt


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_commands_it_names_are_the_commands_that_are_understood(tmp_path: Path) -> None:
    named = {command["command"] for command in manifest.build()["features"]["slash_commands"]}
    async with real_app(tmp_path) as (slack, _bolt):
        amina = slack.person(AMINA)
        for command in named:
            reply = await amina.command("help", command=command)
            assert reply.ok
            assert "I don't know" not in reply.text
        stranger = await amina.command("help", command="/kyc-old")
    assert "I don't know" in stranger.text


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_usage_hint_lists_the_subcommands(tmp_path: Path) -> None:
    (command,) = manifest.build()["features"]["slash_commands"]
    hinted = set(re.findall(r"[a-z]+", command["usage_hint"]))
    designed = {
        "check",
        "status",
        "find",
        "list",
        "rerun",
        "cancel",
        "summary",
        "help",
        "notify",
        "export",
        "forget",
        "review",
    }
    understood = set()
    async with real_app(tmp_path) as (slack, _bolt):
        for word in sorted(hinted | designed):
            reply = await slack.person(AMINA).command(word)
            assert reply.ok
            if "I don't know “" not in reply.text:
                understood.add(word)
    assert understood == hinted


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_global_shortcuts_it_names_are_the_ones_that_open_something(tmp_path: Path) -> None:
    named = {s["callback_id"] for s in manifest.build()["features"]["shortcuts"] if s["type"] == "global"}
    opened = set()
    async with real_app(tmp_path) as (slack, _bolt):
        amina = slack.person(AMINA)
        for name in sorted(_names()):
            before = len(_opened(slack))
            assert (await amina.shortcut(name)).ok
            if len(_opened(slack)) > before:
                opened.add(name)
    assert opened == named


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_message_shortcuts_it_names_are_the_ones_that_open_something(tmp_path: Path) -> None:
    named = {s["callback_id"] for s in manifest.build()["features"]["shortcuts"] if s["type"] == "message"}
    async with real_app(tmp_path) as (slack, bolt):
        # Where the sample comes from.
        slack.world.enterprise_id = "E0ACME00001"
        opened = {name for name in sorted(_names()) if await _opens_from_a_message(bolt, slack, name)}
    assert opened == named


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_events_it_subscribes_to_are_the_events_that_are_handled(tmp_path: Path) -> None:
    subscribed = manifest.build()["settings"]["event_subscriptions"]["bot_events"]
    handled = set()
    async with real_app(tmp_path) as (_slack, bolt):
        for name in sorted(EVENTS):
            event = {"type": name, "user": AMINA, "channel": "C0KYCREQ001", "subteam_id": "S0KYC000001"}
            body = {"type": "event_callback", "team_id": "T0KYC000001", "event": event}
            answer = await bolt.async_dispatch(AsyncBoltRequest(body=body, mode="socket_mode"))
            assert answer.status in {200, 404}
            if await _listener(bolt, body) not in {None, "handlers.listeners.nothing"}:
                handled.add(name)
    # Of messages only those in direct conversations are asked for.
    types = {name.partition(".")[0] for name in subscribed}
    assert sorted(handled) == sorted(types)
    assert types <= set(EVENTS)


async def _listener(bolt: AsyncApp, body: dict[str, Any]) -> str | None:
    """The first listener that takes this request: what Bolt would run."""
    request = AsyncBoltRequest(body=body, mode="socket_mode")
    for listener in bolt._async_listeners:
        if await listener.async_matches(req=request, resp=BoltResponse(status=200)):
            return f"{listener.ack_function.__module__}.{listener.ack_function.__name__}"
    return None


def _names() -> set[str]:
    """Every callback_id that the manifest or the code could mean."""
    in_code = {value for value in vars(ids).values() if isinstance(value, str) and value.startswith("kyc_")}
    return in_code | {shortcut["callback_id"] for shortcut in manifest.build()["features"]["shortcuts"]}


def _opened(slack: SlackSandbox) -> list[Any]:
    return [call for call in slack.calls if call.method == "views.open"]


async def _opens_from_a_message(bolt: AsyncApp, slack: SlackSandbox, name: str) -> bool:
    """By the payload as Slack's sample shows it; its trigger is long spent, but the try is seen."""
    sample = json.loads((ROOT / "tests/data/slack/samples/shortcut_message_action.json").read_text(encoding="utf-8"))
    before = len(_opened(slack))
    body = {**sample.get("payload", sample), "callback_id": name, "trigger_id": f"{name}.1"}
    assert body["type"] == "message_action"
    await bolt.async_dispatch(AsyncBoltRequest(body=body, mode="socket_mode"))
    return len(_opened(slack)) > before


# Against the calls


def client_tree() -> ast.Module:
    return ast.parse((ROOT / "bot/slack/client.py").read_text(encoding="utf-8"))


_CALLS = ("_call", "_pages")
"""What every call goes through: once, or page by page."""


def methods_used() -> set[str]:
    """Every Web API method that bot/slack/client.py calls."""
    found: set[str] = set()
    for node in ast.walk(client_tree()):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CALLS:
            call = node.args[0]
            if isinstance(call, ast.Name) and call.id == "call":
                continue  # `_pages` hands on what it was given
            assert isinstance(call, ast.Attribute)
            found.add(call.attr.replace("_", "."))
    return found


def method_table() -> dict[str, Any]:
    path = ROOT / "bot/sandbox/slack/data/web-api-methods.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))["methods"])


def test_every_call_of_the_sdk_is_one_whose_failures_are_mapped() -> None:
    called = {
        node.attr
        for node in ast.walk(client_tree())
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "client"
    } - {"proxy"}  # which is set, and called by nobody
    assert {name.replace(".", "_") for name in methods_used()} == called
    assert methods_used() <= set(method_table())


@pytest.mark.slow
def test_the_web_api_is_spoken_in_one_file_only() -> None:
    for path in [*(ROOT / "bot").rglob("*.py"), *(ROOT / "handlers").rglob("*.py")]:
        if path == ROOT / "bot/slack/client.py" or "sandbox" in path.relative_to(ROOT).parts:
            continue
        assert not re.search(
            r"\b(chat|views|files|users|usergroups|conversations)_[a-z_]+\(", path.read_text(encoding="utf-8")
        ), path


def test_every_method_used_has_its_scopes() -> None:
    table = method_table()
    for method in methods_used():
        any_of = set(table[method]["bot_scopes_any_of"])
        needed = KINDS_OF_CONVERSATION.get(method, any_of if len(any_of) == 1 else set())
        assert needed <= any_of, method
        assert needed <= set(manifest.SCOPES), method
        assert bool(needed) == bool(any_of), f"{method}: say which of {sorted(any_of)} the bot needs"


def test_every_event_has_its_scopes() -> None:
    assert set(SCOPES_OF_EVENTS) == set(manifest.EVENTS)
    assert frozenset[str]().union(*SCOPES_OF_EVENTS.values()) <= set(manifest.SCOPES)


def test_every_scope_is_needed() -> None:
    table = method_table()
    by_calls = {
        scope
        for method in methods_used()
        for scope in KINDS_OF_CONVERSATION.get(method, table[method]["bot_scopes_any_of"])
    }
    needed = SCOPES_OF_FEATURES.union(by_calls, *SCOPES_OF_EVENTS.values())
    assert sorted(needed) == sorted(manifest.SCOPES)
