"""The answer to a message: what was understood, what is missing, and the buttons below. One person sees it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace

from pydantic import TypeAdapter, ValidationError

from bot.domain.check.check import PhotoKind
from bot.domain.check.field_faults import FieldFault
from bot.domain.check.masking import tail
from bot.domain.check.request import FileInfo, check_file
from bot.domain.id_types.id_types import IDType
from bot.domain.mentions.incoming import IncomingMessage, ProposedPhoto
from bot.domain.mentions.parser import ParsedMessage
from bot.domain.outbox import Message
from bot.slack.blocks import ids, kit
from bot.slack.blocks.form import LABELS
from bot.slack.blocks.kit import Block, Style, View
from bot.slack.blocks.refusals import plain_sentence
from bot.slack.blocks.text import foreign, quoted, sentence

HELP = (
    "Write what the check needs in any order, with the selfie attached or already in the thread, for example: "
    "`NG BVN 00000000000 Ada Obi 1987-03-24`. Labels help where something is not clear: `first name: Ada`. "
    "The result comes into the same thread. `/kyc` opens the form instead, `/kyc help` shows everything."
)
HELP_IN_CHANNEL = (
    "Mention me with the country and the ID type, with the selfie attached or already in the thread, for example "
    "`@kyc NG BVN`. I answer with the form, where you enter the rest. Don't write ID numbers or names in a channel. "
    "In a direct message to me you can write everything at once. `/kyc help` shows more."
)
HINT = "Your message contains an ID number. Delete it once the check is sent: a bot cannot delete it for you."
NUMBER_IN_CHANNEL = (
    "Your message seems to contain an ID number or other personal details, and everyone in this channel can read "
    "them. I did not use them, and I can't delete them. Please delete your message: point at it (on a phone, hold "
    "it), choose More actions (⋯), then Delete message. If Slack does not let you, ask a workspace admin."
)
NUMBER_OF_ANOTHER = (
    "This message seems to contain an ID number or other personal details, and everyone in this channel can read "
    "them. I did not use them. Ask its author to delete the message."
)
COMPLETE_IN_FORM = (
    "Open the form to complete this check: enter the ID number there, or send me all of it in a direct message."
)
CHANGED = "Your message was changed since; this is how it reads now."
GONE = "Your message is no longer there, so there is nothing to send. Write it again, or use /kyc."
GONE_FROM_CHANNEL = "Your message is no longer there, so its photos are not in this form. Attach them below."
NOT_YOURS = "Only the person who wrote the message can use it for a check. Write one of your own to me, or use /kyc."
SENT = "{ref} is on its way; the result comes into this thread."
SENT_BEFORE = "This message was sent already, as {ref}. For another check write another message, or use `/kyc`."
NOT_READ = "Slack did not let me read the message in time. Try again in a moment."
ONE_MOMENT = "One moment: reading what is there, and its photos …"
WHICH_IS_THE_SELFIE = "Say in the form which photo is the selfie."
_POINTER = TypeAdapter(tuple[str, str, str | None, str, bool])
_UNCLEAR = 8
_TAKEN_FROM_CHANNEL = (ids.COUNTRY, ids.ID_TYPE, ids.SELFIE, ids.LIVENESS)
_MARK = {"selfie": "Selfie", "liveness": "Liveness image"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePointer:
    """A button's value: the message, and a keyed fingerprint of what was displayed of it; none of its text."""

    channel: str
    ts: str
    thread_ts: str | None
    fingerprint: str = ""
    again: bool = False
    """The author has seen that this person was checked before."""

    def dump(self) -> str:
        return json.dumps(astuple(self), separators=(",", ":"))

    @classmethod
    def load(cls, value: str) -> "MessagePointer | None":
        """None if it is not one of ours."""
        try:
            channel, ts, thread_ts, fingerprint, again = _POINTER.validate_json(value, strict=True)
        except ValidationError:
            return None
        return cls(channel=channel, ts=ts, thread_ts=thread_ts, fingerprint=fingerprint, again=again)


def pointer(incoming: IncomingMessage, fingerprint: str = "") -> str:
    place = MessagePointer(
        channel=incoming.channel, ts=incoming.ts, thread_ts=incoming.thread_ts, fingerprint=fingerprint
    )
    return place.dump()


def checked_before(pointer: MessagePointer, words: str) -> Message:
    """This person was checked before; `words` are our own mrkdwn."""
    text, value = "Check again: it is charged again", replace(pointer, again=True).dump()
    send = kit.button(ids.SEND_MESSAGE, text, value, label=text)
    return Message(text=words, blocks=[kit.section(words), kit.actions(send)])


def complete(
    incoming: IncomingMessage,
    understood: ParsedMessage,
    entry: IDType,
    photos: Sequence[ProposedPhoto],
    *,
    fingerprint: str,
    above: str = "",
) -> Message:
    """Nothing is missing: one click confirms consent and sends."""
    head, agreed = above or "This is what I understood. One click sends it.", "The customer has agreed: send"
    lines = _facts(understood, entry, photos)
    value, label = pointer(incoming, fingerprint), f"{agreed} the check"
    send = kit.button(ids.SEND_MESSAGE, agreed, value, label=label, style=Style.PRIMARY)
    blocks = [
        kit.section(head),
        kit.plain_section("\n".join(lines)),
        kit.actions(send, _open_form(incoming)),
        kit.small(HINT),
    ]
    # Without what was read: a notification stands on locked screens too.
    return Message(text=f"{head} {HINT}", blocks=blocks)


def incomplete(
    incoming: IncomingMessage,
    understood: ParsedMessage,
    entry: IDType | None,
    photos: Sequence[ProposedPhoto],
    *,
    faults: Mapping[str, FieldFault],
    left_out: str | None = None,
    above: str = "",
) -> Message:
    """Something is missing, wrong or unclear. `left_out` says which photos neither this answer nor the form offers."""
    head = f"{above} I could not make a whole check of this message; the form takes the rest.".lstrip()
    known = _facts(understood, entry, photos)
    wrong = _wrong(faults, photos, unclear=understood.unclear)
    if _is_selfie_doubtful(photos) or not (wrong or left_out):
        wrong.append(WHICH_IS_THE_SELFIE)
    answer = _to_form(incoming, head, {"Understood": known, "Missing or unclear": [*wrong, *filter(None, [left_out])]})
    if understood.texts.get("id_number"):
        answer.blocks.append(kit.small(HINT))
    return answer


def in_channel(
    incoming: IncomingMessage,
    understood: ParsedMessage,
    entry: IDType | None,
    photos: Sequence[ProposedPhoto],
    *,
    faults: Mapping[str, FieldFault],
    left_out: str | None = None,
) -> Message:
    """What the form takes from a message in a channel: country, ID type and photos, nothing else."""
    known = _facts(understood, entry, photos)
    wrong = _wrong({name: words for name, words in faults.items() if name in _TAKEN_FROM_CHANNEL}, photos)
    if _is_selfie_doubtful(photos):
        wrong.append(WHICH_IS_THE_SELFIE)
    lists = {"From your message": known, "Missing or unclear": [*wrong, *filter(None, [left_out])]}
    return _to_form(incoming, COMPLETE_IN_FORM, lists)


def _to_form(incoming: IncomingMessage, head: str, lists: Mapping[str, Sequence[str]]) -> Message:
    """Head, lists that are not empty, and the button to the form. The notification reads head and last list."""
    *_, wrong = lists.values()
    listed = [kit.plain_section("\n".join((title, *lines))) for title, lines in lists.items() if lines]
    text = f"{head} {foreign(' '.join(map(sentence, wrong)), 900)}".rstrip()
    return Message(text=text, blocks=[kit.section(head), *listed, kit.actions(_open_form(incoming))])


def unread_lists(files: Sequence[FileInfo]) -> Message:
    """Files that seem to be lists of customers and cannot be read: each with what it is and what to do."""
    faults = [(file, fault) for file in files if (fault := check_file(file))]
    lines = [f"{quoted(file.name, 80) or 'A file'}: {plain_sentence(fault)}" for file, fault in faults]
    head = "I could not read a list of customers in this message, so nothing was sent."
    return Message(text=f"{head} {foreign(' '.join(lines), 900)}", blocks=[
        kit.section(head), kit.plain_section("\n".join(lines)),
    ])  # fmt: skip


def delete_your_message(answer: Message) -> Message:
    blocks = [*answer.blocks, kit.plain_section(NUMBER_IN_CHANNEL)]
    return Message(text=f"{answer.text} {NUMBER_IN_CHANNEL}", blocks=blocks)


def left_out(count: int, *, thread_is_cut: bool) -> str | None:
    """What the form leaves out of a long thread; None when it offers everything."""
    lines = [f"The thread holds {count} older photos that are not offered."] if count else []
    if thread_is_cut:
        lines.append(
            "The thread is too long for me to read whole: I looked at its beginning and its newest messages. "
            "If the photo is missing here, attach it to a message of its own."
        )
    return " ".join(lines) or None


def one_moment(title: str = "Biometric KYC check") -> View:
    """The modal while the message is read, since a trigger lives three seconds."""
    return kit.modal(title, [kit.plain_section(ONE_MOMENT)], callback_id="kyc_one_moment")


def _facts(understood: ParsedMessage, entry: IDType | None, photos: Sequence[ProposedPhoto]) -> list[str]:
    lines = []
    if entry is not None:
        lines.append(f"{quoted(entry.country_name, 75)} · {quoted(entry.short, 75)}")
    elif understood.country:
        lines.append(f"Country: {quoted(understood.country, 75)}")
    known = [*LABELS, *understood.texts]
    for name, text in sorted(understood.texts.items(), key=lambda item: known.index(item[0])):
        if name == "id_number":
            last = tail(text)
            lines.append(f"{_label(name)} ending {last}" if last else f"{_label(name)} too short to show")
        else:
            lines.append(f"{_label(name)}: {quoted(text, 100)}")
    if understood.customer_reference:
        lines.append(f"Customer reference: {quoted(understood.customer_reference, 100)}")
    for kind, label in _MARK.items():
        named = [quoted(photo.file.name, 80) for photo in photos if photo.kind is not None and photo.kind.value == kind]
        if named:
            lines.append(f"{label}{'s' if len(named) > 1 else ''}: {', '.join(named)}")
    return lines


def _wrong(
    faults: Mapping[str, FieldFault], photos: Sequence[ProposedPhoto], *, unclear: Sequence[str] = ()
) -> list[str]:
    """A line for each fault, except what the form asks for anyway."""
    # A photo that may be the selfie is there: to ask for one would contradict that.
    settled_in_form = {ids.CONSENT, ids.SELFIE} if _is_selfie_doubtful(photos) else {ids.CONSENT}
    wrong = [
        f"{_label(name)}: {plain_sentence(fault)}" for name, fault in faults.items() if name not in settled_in_form
    ]
    if unclear:
        shown = [f"“{quoted(word, 60)}”" for word in unclear[:_UNCLEAR]]
        more = f" and {len(unclear) - _UNCLEAR} more" if len(unclear) > _UNCLEAR else ""
        wrong.append(f"Not clear to me: {', '.join(shown)}{more}")
    return wrong + [
        f"{quoted(photo.file.name, 80) or 'A file'}: {plain_sentence(photo.fault)}" for photo in photos if photo.fault
    ]


def _is_selfie_doubtful(photos: Sequence[ProposedPhoto]) -> bool:
    """Whether some usable photo may be the selfie, but none certainly is."""
    kinds = {photo.kind for photo in photos if photo.fault is None}
    return None in kinds and PhotoKind.SELFIE not in kinds


def _label(name: str) -> str:
    ours = {ids.COUNTRY: "Country", ids.ID_TYPE: "ID type", ids.SELFIE: "Selfie", ids.LIVENESS: "Liveness images"}
    return ours.get(name) or LABELS.get(name) or name.replace("_", " ").capitalize()


def _open_form(incoming: IncomingMessage) -> Block:
    label = "Open the form, with what was understood of the message"
    return kit.button(ids.OPEN_FORM_OF_MESSAGE, "Open the form", pointer(incoming), label=label)
