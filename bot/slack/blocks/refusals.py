"""What people read when something is refused: one sentence for each code.

A sentence names the facts of its code; `_SHOWN` formats those that are not plain text or a number.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol

from bot.domain.check.check import Check
from bot.domain.check.field_faults import FieldCode
from bot.domain.check.file_kinds import FileKind
from bot.domain.outbox import AdminAlert, Message, decode_fault
from bot.errors import FileCode, PhotoCode, Refusal, SmileIDRefusal
from bot.slack.blocks import kit
from bot.slack.blocks.file_words import FILE_KINDS, SERVICES, TABLE_KINDS
from bot.slack.blocks.status import status_name
from bot.slack.blocks.text import foreign, person, quoted


class Coded(Protocol):
    """An error, or the fault of a field."""

    @property
    def code(self) -> StrEnum: ...

    @property
    def facts(self) -> Mapping[str, object]: ...


_REFUSALS: Mapping[StrEnum, str] = {
    Refusal.NOT_SURE: "Slack did not confirm your access in time. Try again in a moment.",
    Refusal.SLACK_REFUSES_US: (
        "Slack refuses my token ({reason}), so I can't open or post anything. Nothing was sent. "
        "Ask {admin} to install the app again."
    ),
    Refusal.WRONG_WORKSPACE: (
        "I am set up with the token of another workspace, so nobody can use me here. Nothing was sent. Tell {admin}."
    ),
    Refusal.SMILE_ID_REFUSES_US: (
        "Smile ID refuses my partner id or API key, so no check can be sent now. Nothing was sent and nothing was "
        "charged. Tell {admin}. I ask Smile ID again every minute."
    ),
    Refusal.NO_ACCESS: "You don't have access yet. Ask {admin} to add you.",
    Refusal.NO_RIGHT: "You can't start checks yet. Ask {admin} to add you to the requesters.",
    Refusal.UNKNOWN_REF: "No check {ref} that you have access to. Ask {admin} if you need it.",
    Refusal.RECORD_ALTERED: (
        "Record altered: what is stored of {ref} is not what the bot wrote. Do not act on it: it is not approved, and "
        "nobody can decide it. An admin has been told; start a new check if you need a result."
    ),
    Refusal.NO_DETAILS: "You don't have access to this check. Ask {admin} if you need it.",
    Refusal.LOOKED_UP_TOO_OFTEN: (
        "You have looked up as many checks as one person may in an hour. Go on in {wait}. An admin has been told."
    ),
    Refusal.OWN_CHECKS_ALONE: (
        "You have access to your own checks. Type `/kyc list` for them, and ask {admin} if you need others."
    ),
    Refusal.FIND_IS_PERSONAL: (
        "Only reviewers and admins find checks by ID number, customer reference or job id. "
        "Fill in the reference, the dates, the outcome or who asked."
    ),
    Refusal.NO_CHANNEL: "Choose the channel for the results.",
    Refusal.NOT_IN_THIS_CHANNEL: "You can't start checks in this channel.",
    Refusal.USE_OTHER_CHANNELS: "You can't start checks here. Use {channels}.",
    Refusal.SHARED_CHANNEL: (
        "You can't start checks in a channel shared with another company. Use a channel of your own workspace."
    ),
    Refusal.CANNOT_POST: (
        "I can't post in {channel}, so the result would be lost. "
        "Type /invite @kyc there, or use a channel that I am in, and try again."
    ),
    Refusal.RERUN_APPROVED: "{ref} cannot be run again: it is approved.",
    Refusal.RERUN_DECIDED: "{ref} cannot be run again: a reviewer approved it.",
    Refusal.RERUN_IN_REVIEW: "{ref} cannot be run again: it is still in review.",
    Refusal.RERUN_UNDER_WAY: "{ref} cannot be run again: it is still under way.",
    Refusal.RERUN_MOVED_ON: ("{ref} has changed meanwhile and cannot be run again now. See its message."),
    Refusal.ERASED: (
        "Erased: the customer's data of {ref} was erased on {erased}, so nothing more can be done with this check. "
        "To check this customer again, type /kyc."
    ),
    Refusal.RERUN_TOO_FAR_AHEAD: "At most {days} days from now.",
    Refusal.CANCEL_TOO_LATE: "{ref} has been sent to Smile ID; it can no longer be cancelled.",
    Refusal.CANCEL_ENDED: "{ref} has ended; there is nothing to cancel.",
    Refusal.EDIT_TOO_LATE: "{ref} was already sent to Smile ID, so it can no longer be edited.",
    Refusal.EDIT_ENDED: "{ref} has ended, so it can no longer be edited. Use Run again.",
    Refusal.EDIT_WITH_CUSTOMER: (
        "{ref} waits for the customer's photos. To change it, choose Withdraw at its message, then Run again."
    ),
    Refusal.PHOTOS_BY_LINK: "The customer took the photos of {ref} by a link: nobody here has them.",
    Refusal.LINK_NOT_YOURS: "The link of {ref} is for the person who asked for the check, and for admins.",
    Refusal.LINK_TOO_LATE: "The customer has taken the photos of {ref} already. See its message.",
    Refusal.LINK_ENDED: "{ref} has ended, and its link with it. Run again makes a new one.",
    Refusal.LINKS_OFF: "Links for customers are not set up any more. Attach the photos instead.",
    Refusal.EDIT_NOT_YOURS: "Only the person who asked for {ref}, or an admin, can edit it.",
    Refusal.EDITED_MEANWHILE: "{ref} was edited meanwhile. Close this form and open it again to see what it holds now.",
    Refusal.QUESTION_NOT_YOURS: "This question is for the person who asked for the check.",
    Refusal.QUESTION_ANSWERED: "{ref} needs no answer any more. See its message.",
    Refusal.DAILY_OWN: (
        "Daily limit reached: you may start {most} checks a day, and {left} {day}. Nothing was sent and nothing was "
        "charged. Try again on another day, or ask {admin} to raise the limit."
    ),
    Refusal.DAILY_ALL: (
        "Daily limit reached: all together may start {most} checks a day, and {left} {day}. Nothing was sent and "
        "nothing was charged. Try again on another day, or ask {admin} to raise the limit."
    ),
    Refusal.DAILY_FILE: (
        "Daily limit: these are {checks} checks, and {left} {day}. Nothing was sent and nothing was charged. Send a "
        "new file with fewer rows, or press the button again tomorrow. {admin} can raise the limit."
    ),
    Refusal.DAILY_FILE_NEVER: (
        "Daily limit: these are {checks} checks, and you may start {most} a day, so no day has room for them. "
        "Nothing was sent and nothing was charged. Split the file into files of at most {most} rows, and send one "
        "a day, or ask {admin} to raise the limit."
    ),
    Refusal.DAILY_RESUMED: (
        "Daily limit: to resume takes {rest}, and {left} {day}. The file stays paused. Resume it on another day, "
        "ask {admin} to raise the limit, or cancel the remaining checks."
    ),
    Refusal.DAILY_RESUMED_NEVER: (
        "Daily limit: to resume takes {rest}, and the limit is {most} a day, so no day has room. The file stays "
        "paused. Ask {admin} to raise the limit, or cancel the remaining checks."
    ),
    Refusal.BATCH_NOT_YOURS: "Only the person who sent the file can do this.",
    Refusal.APPROVAL_NOT_YOURS: "Only managers and admins approve files. Ask {admin} if you need it.",
    Refusal.APPROVAL_OWN: "You sent this file or uploaded a part of it, so somebody else must approve it.",
    Refusal.APPROVAL_OVER: "Nothing to approve any more: somebody else answered, or the file was cancelled.",
    Refusal.APPROVAL_ASKER_LEFT: "Not approved: {person}, who sent the file, can no longer start checks. Reject it.",
    Refusal.APPROVAL_LINKS_OFF: (
        "Not approved: this file needs links for its customers, which are not set up any more. "
        "Reject it, or ask {admin} to set them up again."
    ),
    Refusal.APPROVAL_BY_NOBODY: (
        "Not sent: more than {most} checks by file within 24 hours need a second person, and I know no other manager "
        "or admin by name. Nothing was charged. Without one, {left}: ask {admin} to name one, or send fewer rows."
    ),
    Refusal.BATCH_MOVED_ON: "This file has changed meanwhile. See its message.",
    Refusal.BATCH_ALTERED: (
        "What is stored of this file is not what the bot wrote, so nothing was done. Admins are told. "
        "Talk to an admin before you send it again."
    ),
    Refusal.BATCH_SEALED: (
        "What is stored of this file can't be opened now, so nothing was done. Admins are told what to do. "
        "Try again later. The file can still be cancelled."
    ),
    Refusal.NOT_A_REVIEWER: "Only reviewers and admins can do this. Ask {admin} if you need it.",
    Refusal.REVIEW_UNKNOWN_REF: "There is no check {ref}. Compare the reference.",
    Refusal.REVIEW_REQUESTED: "{ref} is in review already. Wait for the decision; it will be posted in the thread.",
    Refusal.FOUR_EYES: "You asked for {ref} or its review, or supplied its photos, so somebody else must decide it.",
    Refusal.OWN_PHOTOS: (
        "You asked for {ref} or its review, or supplied its photos, so only other reviewers can open them here."
    ),
    Refusal.CLAIMED_BY: "{person} has claimed {ref}. They can reassign it to you or unclaim it.",
    Refusal.CLAIM_NOT_YOURS: "You can't reassign {ref}: {person} has claimed it.",
    Refusal.NOBODY_CLAIMED: "Nobody has claimed {ref} any more.",
    Refusal.NOTHING_TO_DECIDE: "There is nothing to decide about {ref} now: {status}.",
    Refusal.REVIEW_CLOSED: "{ref} needs no decision any more: {status}.",
    Refusal.END_TOO_EARLY: (
        "{ref} cannot be ended without a result before Smile ID has had it for 7 days. It is now: {status}."
    ),
    Refusal.END_ANSWERED: (
        "Smile ID has just sent a result for {ref}, which is being confirmed. It will be posted in the thread."
    ),
    Refusal.END_OVER: "{ref} does not wait for Smile ID any more: {status}.",
    Refusal.REVIEW_CHANGED: (
        "Something changed while this form was open. {ref} is now: {status}. Close the form and open it again."
    ),
    Refusal.PROPOSED: "{person} has proposed a decision for {ref}; a second person must agree or disagree first.",
    Refusal.NO_PROPOSAL: "{ref} needs no second person any more.",
    Refusal.OTHER_PROPOSAL: "The proposal for {ref} has changed meanwhile. See its card.",
    Refusal.PROPOSER_LEFT: (
        "{person}, who proposed this, is no longer a reviewer. The proposal is void, and {ref} needs a decision again."
    ),
    Refusal.OWN_PROPOSAL: "You proposed this decision: somebody else must agree.",
    Refusal.HAND_TO_REQUESTER: "This person asked for the check and may not decide it.",
    Refusal.HAND_TO_NO_REVIEWER: "This person is not a reviewer.",
    Refusal.HAND_TO_NOBODY: "There is no other reviewer for {ref}. To give it back, use Unclaim.",
    Refusal.NO_NOTICES: "No notifications available for your role.",
    Refusal.SUMMARY_NOT_A_MANAGER: ("The figures are for managers and admins. Ask {admin} to add you to the managers."),
    Refusal.SUMMARY_NOT_HERE: (
        "I can't post in this conversation. Type /invite @kyc here and try again, or share it elsewhere."
    ),
    Refusal.SUMMARY_SHARED_CHANNEL: "This channel is shared with another company, so I don't post figures here.",
    Refusal.SUMMARY_ONCE: "This summary was shared already.",
    Refusal.SUMMARY_NOT_UNDERSTOOD: (
        "`/kyc summary` does not take “{typed}”. Add `today`, `yesterday`, `week`, `month`, `last week`, `last month`, "
        "a day or a span such as `2026-11-01..2026-11-15`, then a country and an ID type, for example "
        "`/kyc summary week NG BVN`."
    ),
    Refusal.SPAN_NOT_A_DAY: "“{typed}” is not a day. Write it as 2026-11-21, and a span as 2026-11-01..2026-11-15.",
    Refusal.SPAN_BACKWARDS: (
        "The span ends before it begins. Write the earlier day first, as in 2026-11-01..2026-11-15."
    ),
    Refusal.SPAN_TOO_LONG: "A summary covers {days} days at most.",
    Refusal.SPAN_TO_COME: "That day is in the future.",
    Refusal.FORGET_NOT_AN_ADMIN: "Only admins can erase a customer. Ask {admin}.",
    Refusal.FORGET_NOT_UNDERSTOOD: "Not understood. Add the reference of a check: `/kyc forget K-7F3K2Q`.",
    Refusal.HOLD_NOT_A_MANAGER: "Only managers and admins can hold checks. Ask {admin} to add you to the managers.",
    Refusal.HOLD_NOT_UNDERSTOOD: (
        "Not understood. Add the reference of a check, and why if it is not a running customer relationship: "
        "`/kyc hold K-7F3K2Q`, `/kyc hold K-7F3K2Q legal` or `/kyc hold K-7F3K2Q investigation`."
    ),
    Refusal.EXPORT_NOT_A_MANAGER: ("Exports are for managers and admins. Ask {admin} to add you to the managers."),
    Refusal.EXPORT_NOT_UNDERSTOOD: (
        "`/kyc export` does not take “{typed}”. Add `csv`, `jsonl` or `xlsx`, then `today`, `yesterday`, `week`, "
        "`month`, `last week`, `last month`, a day or a span, for example "
        "`/kyc export xlsx 2026-11-01..2026-11-15`. Without days you get every check."
    ),
    Refusal.EXPORT_EMPTY: "Nobody asked for a check in these days, so there is nothing to export.",
    Refusal.EXPORT_TOO_MANY: (
        "That is {total:,} checks; a file for Slack holds at most {most:,}. Choose fewer days, for example "
        "`/kyc export month`, or ask an admin of kyc-bot to run `kyc-bot export`."
    ),
    Refusal.EXPORT_UNDER_WAY: "I am preparing that file already. You get it by direct message.",
    Refusal.EXPORT_NO_SHEET: "A sheet holds a million checks at most. Choose fewer days, or use csv or jsonl.",
}

_PHOTOS: Mapping[StrEnum, str] = {
    PhotoCode.NOT_LET: "Slack does not let me read this file. Attach it again from your device.",
    PhotoCode.FOREIGN_HOST: "This file is kept outside Slack. Attach it again from your device.",
    PhotoCode.GONE: "It is no longer in Slack, or I may not read it.",
    PhotoCode.GONE_WITH_ITS_FILE: "The file that holds it is no longer in Slack.",
    PhotoCode.FILE_TOO_LARGE: "The file has more than {megabytes} MB. Attach a smaller one.",
    PhotoCode.TOO_LARGE: "This photo is larger than {megabytes} MB.",
    PhotoCode.NEITHER_JPEG_NOR_PNG: "The file is not a JPEG or PNG photo. Attach another one.",
    PhotoCode.OTHER_KIND: "By its content, whatever its name says, this is {kind}",
    PhotoCode.DAMAGED: "The file is damaged or incomplete. Attach it again, or take a new photo.",
    PhotoCode.TOO_SMALL: "The photo is only {width} × {height} pixels. Attach one as the camera took it.",
    PhotoCode.TOO_MANY_SCANS: (
        "The photo is made in a way that takes too long to open. Save it again, or take a new one."
    ),
    PhotoCode.TOO_MANY_PIXELS: "The photo has more than {megapixels} megapixels. Attach a smaller one.",
    PhotoCode.NOT_BASE64: "This is not base64, or not all of it.",
    PhotoCode.NOT_A_PHOTO_IN_BASE64: "This is not a JPEG or PNG photo in base64.",
    PhotoCode.DAMAGED_IN_ZIP: "This photo is damaged in the zip. Make the zip again.",
    PhotoCode.NOT_IN_TABLE: "This photo cannot be read from the table.",
}

_FILES: Mapping[StrEnum, str] = {
    FileCode.NOT_LET: "Slack does not let me read the file. Send it again.",
    FileCode.FOREIGN_HOST: "The file is kept outside Slack. Download it and send it from your device.",
    FileCode.KIND: "{name} is {table_kind}",
    FileCode.SLACK_AWAY: "Slack did not give me the files for a long time, so nothing was sent. Send them again later.",
    FileCode.MESSAGE_GONE: "The message with the files is no longer there, so nothing was sent. Send the files again.",
    FileCode.LOOKED_UP_TOO_OFTEN: (
        "You have looked up as many earlier checks as one person may in an hour, so nothing was sent. "
        "Send the file again in an hour."
    ),
    FileCode.REJECTED: "A second person did not approve this file, so nothing was sent and nothing was charged.",
    FileCode.NOT_APPROVED: "Nobody approved this file within {days} days, so nothing was sent and nothing was charged.",
    FileCode.CHANGED: "The files have changed since they were shown, so nothing was sent. Send them again.",
    FileCode.OTHER_ROWS: (
        "Other rows can be sent now than when the file was shown, since Smile ID's ID types or a setting have changed. "
        "So nothing was sent."
    ),
    FileCode.ALTERED: (
        "What is stored of this file is not what the bot wrote, so nothing was sent and nothing was charged. "
        "Admins are told."
    ),
    FileCode.FAULT: ("Something went wrong on our side, so nothing was sent and nothing was charged. Admins are told."),
    FileCode.NOT_SHOWN: (
        "I read this file, but could not show its preview, so nothing was sent and nothing was charged."
    ),
    FileCode.LINKS_OFF: (
        "Links for customers are not set up any more, so nothing was sent and nothing was charged. "
        "No customer has got a link."
    ),
    FileCode.NOT_AT_HAND: "The file that holds this photo is no longer at hand. Send it again.",
    FileCode.TOO_LARGE: "The file has more than {megabytes} MB. Split it.",
    FileCode.NO_TABLE: (
        "I found no table of customers. Send a CSV, XLSX or JSON file; the template shows how it should look."
        "{unread}{inner_zips}"
    ),
    FileCode.SEVERAL_TABLES: "I found {count} tables: {names}{more}. Send one table at a time, with its photos.",
    FileCode.TABLE_TOO_LARGE: "The table is larger than {megabytes} MB. Split it into several files.",
    FileCode.TOO_MANY_ROWS: "The table has more than {most:,} rows. Split it into several files.",
    FileCode.TOO_MANY_COLUMNS: "The table has more than {most} columns. Delete those not needed.",
    FileCode.ROW_TOO_LONG: "Row {row} of the table is too long. A quote may be missing there.",
    FileCode.NO_ROWS: "The table has a header and no rows.",
    FileCode.NO_KNOWN_COLUMNS: (
        "I found no columns that I know in the table's first 20 rows. The template shows how it should look."
    ),
    FileCode.NO_COLUMNS_SHOWN: (
        "I found no columns that I know in the first 20 rows of what the workbook shows. "
        "I don't read hidden sheets: {names}. Unhide the one with the table and send it again."
    ),
    FileCode.COLUMN_TWICE: "The columns {first} and {second} both mean {field}. Delete one of them.",
    FileCode.COLUMNS_MISSING: "The table has no {columns}. The template shows how it should look.",
    FileCode.COLUMNS_HIDDEN: (
        "The table shows no {columns}. I don't read hidden columns: {names}. Unhide what belongs to the table and send "
        "it again."
    ),
    FileCode.NOT_UTF8: (
        "Line {line} of {name} holds characters that are not UTF-8. "
        "Save it again: in Excel choose Save As and the type CSV UTF-8."
    ),
    FileCode.CSV_QUOTES: "Row {row} of the table (line {line}) cannot be read: its quotes do not match.",
    FileCode.JSON_SYNTAX: "The JSON file cannot be read at customer {number}: it is no valid JSON there.",
    FileCode.JSON_SHAPE: (
        'The JSON file must be a list of customers, or an object with nothing but such a list: {{"applicants": [...]}}.'
    ),
    FileCode.JSON_DEPTH: "Customer {number} in the JSON file holds lists within lists.",
    FileCode.JSON_KEY_TWICE: "Customer {number} in the JSON file has a key twice.",
    FileCode.WORKBOOK_PROTECTED: "{name} is protected by a password. Save it without one and send it again.",
    FileCode.WORKBOOK_DAMAGED: "{name} cannot be read as an Excel workbook. Save it again as .xlsx, or as CSV UTF-8.",
    FileCode.WORKBOOK_PADDED: (
        "{name} is far larger inside than a list of customers: formatting without content, or too many cells. "
        "Copy the rows with customers into a new workbook and send that."
    ),
    FileCode.SEVERAL_SHEETS: "The sheets {first} and {second} both look like a table of customers. Keep one of them.",
    FileCode.ZIP_DAMAGED: "{name} is damaged or incomplete. Make it again and send it once more.",
    FileCode.ZIP_TOO_LARGE: "{name} is larger than {megabytes} MB. Split it.",
    FileCode.ZIP_IN_PARTS: "{name} is one part of several. Make one zip of everything.",
    FileCode.ZIP_TOO_MANY_ENTRIES: "{name} holds more than {most:,} files. Split it.",
    FileCode.ZIP64: "{name} is a Zip64 archive, which I don't read. Make an ordinary zip of fewer files.",
    FileCode.ZIP_ENCRYPTED: "{name} is protected by a password. Make it again without one.",
    FileCode.ZIP_LINKS: "{name} holds links instead of files. Make it again from the files themselves.",
    FileCode.ZIP_COMPRESSION: "{name} is packed in a way I don't read. Make an ordinary zip (Deflate).",
    FileCode.ZIP_NAME_TWICE: "{name} holds two files of the same name. Rename one of them.",
    FileCode.ZIP_CONTROL_CHARACTERS: "{name} holds a file name with control characters. Rename it.",
    FileCode.ZIP_PATH_LEADS_OUT: "{name} holds file names that lead out of it. Make it again from one folder.",
    FileCode.ZIP_RATIO: "{name} unpacks to far more than photos and tables do, so I don't open it.",
    FileCode.ZIP_UNPACKS_TOO_LARGE: "{name} unpacks to more than {megabytes:,} MB. Split it.",
    FileCode.ZIP_OVERLAPS: "{name} holds files that overlap, as only a zip bomb does.",
}

_FIELDS: Mapping[StrEnum, str] = {
    FieldCode.COUNTRY_NEEDED: "Choose the country that issued the ID.",
    FieldCode.ID_TYPE_NEEDED: "Choose an ID type of this country.",
    FieldCode.CONSENT_NEEDED: "Smile ID may only be asked with the customer's consent.",
    FieldCode.NEEDED: "{id_type} check needs this{example}.",
    FieldCode.TOO_LONG: "At most {most} characters. You typed {length}.",
    FieldCode.NUMBER_FORM: "This is not the format of {of_type} number. {looks_like}",
    FieldCode.NUMBER_NOT_DIGITS: "{id_type} has {digits} digits and nothing else{example}.",
    FieldCode.NUMBER_LENGTH: "{id_type} has {digits} digits{example}. You typed {length}.",
    FieldCode.NAME: "Write the name in letters, without emoji, as it is on the ID.",
    FieldCode.PHONE_NUMBER: "A phone number has 6 to 20 digits{example}.",
    FieldCode.CITIZENSHIP: "Choose {choices}.",
    FieldCode.NOT_A_DATE: "This is not a date. Write it like {date}.",
    FieldCode.DATE_TO_COME: "This date is in the future. A date of birth looks like {date}.",
    FieldCode.DATE_TOO_OLD: "This date is more than {years} years ago. A date of birth looks like {date}.",
    FieldCode.DATE_UNCLEAR: "Write the date like 1990-01-02 or 2 Jan 1990, so that day and month cannot be mistaken.",
    FieldCode.DATE_WITH_TIME: (
        "This date has a time of day, and programs that add one often move the day. Write the date alone, like "
        "1990-01-02."
    ),
    FieldCode.ROUNDED: (
        "A program has taken this for a number and changed it. Enter it again in full; in a spreadsheet, format the "
        "column as text first."
    ),
    FieldCode.ONE_SELFIE: "Attach one selfie, a JPEG or PNG photo.",
    FieldCode.SEVERAL_SELFIES: "{several} photos are attached as the selfie. Keep one, and leave out the others.",
    FieldCode.LIVENESS_NEEDED: "Your company requires {images} liveness images. Attach them.",
    FieldCode.LIVENESS_COUNT: "Smile ID takes {images} liveness images or none. You attached {attached}.",
    FieldCode.FILE_TWICE: "The same file is attached twice.",
    FieldCode.FILE_NOT_LET: "I may not read this file. Attach it again from your device.",
    FieldCode.FILE_DELETED: "This file was deleted in Slack. Attach it again from your device.",
    FieldCode.FILE_HIDDEN: (
        "Slack hides this file, because your plan keeps only newer ones. Attach it again from your device."
    ),
    FieldCode.FILE_ELSEWHERE: (
        "This file is kept {service}, where I can't read it. Download it there and attach it from your device."
    ),
    FieldCode.FILE_KIND: "This is {kind}",
    FieldCode.FILE_TOO_LARGE: "This file has {size:.1f} MB; at most {most} MB can be sent.",
    FieldCode.FILE_EMPTY: "This file is empty (0 bytes). Attach it again from your device.",
    FieldCode.FORMULA: "This is a formula. Enter the value itself; in a spreadsheet, paste it as a value.",
    FieldCode.STORED_AS_NUMBER: (
        "This is stored as a number, which can lose digits. In a spreadsheet, format the column as text and enter it "
        "again; in JSON, put it in quotes."
    ),
    FieldCode.STORED_AS_DATE: "This is stored as a date. Format the column as text and enter it again.",
    FieldCode.CELL_ERROR: "This is a spreadsheet's error, such as #N/A or ####. Enter the value itself.",
    FieldCode.CELL_NOT_SHOWN: (
        "The spreadsheet holds something here that it does not show: its format or a merged cell hides it. "
        "Show it or delete it."
    ),
    FieldCode.CELL_NOT_TEXT: "This cell holds something other than text.",
    FieldCode.ROW_TOO_WIDE: "This row has more cells than the header has columns. A text with a comma needs quotes.",
    FieldCode.LIVENESS_NAMED_TWICE: "The liveness images are named in two ways. Keep one of them.",
    FieldCode.LIVENESS_NAMED_AND_HELD: "The row names liveness images and holds some as well. Keep one of them.",
    FieldCode.LIVENESS_IN_TWO_FOLDERS: "Liveness images in two folders fit this row.",
    FieldCode.SELFIE_NAMED_AND_HELD: "The row names a selfie and holds one as well. Keep one of them.",
    FieldCode.SELFIES_IN_CELL: "This cell holds more than one photo.",
    FieldCode.NO_PHOTO: (
        "No photo was found. Name the file in a column selfie, or call it like the ID number or the customer "
        "reference.{inner_zips}"
    ),
    FieldCode.NO_SUCH_PHOTO: "No photo of this name was found.{inner_zips}",
    FieldCode.IMAGE_NOT_FOUND: "It was not found.{inner_zips}",
    FieldCode.SEVERAL_PHOTOS: "{several} photos fit this row.",
    FieldCode.PHOTO_OF_OTHER_ROW: "Row {row} uses the same photo.",
}

_SMILE_ID: Mapping[StrEnum, str] = {
    SmileIDRefusal.DOWN: "Smile ID has a fault on its side; we try again by ourselves.",
    SmileIDRefusal.CREDENTIALS: (
        "Smile ID does not accept our credentials. Check the partner id (leading zeros matter), the API key, "
        "and that both belong to the environment in use."
    ),
    SmileIDRefusal.FIELD_MISSING: (
        "Smile ID misses a required field. The table of ID types may be out of date, or this is a fault of ours."
    ),
    SmileIDRefusal.NO_MEANING: "Smile ID refused with a code that it does not explain. Ask Smile ID's support.",
    SmileIDRefusal.PACKAGE: "Smile ID could not read our package (info.json). This is a fault of ours.",
    SmileIDRefusal.VALUE_FORM: (
        "Smile ID does not accept the form of a value that we sent, or our credentials. Check the API key and "
        "the base URL first."
    ),
    SmileIDRefusal.USER_DISABLED: (
        "This user is disabled at Smile ID. Someone must enable it in Smile ID's portal first."
    ),
    SmileIDRefusal.USER_DELETED: "This user was deleted at Smile ID; another user id is needed.",
    SmileIDRefusal.USER_ENROLLED: "This user is already enrolled at Smile ID; another user id is needed.",
    SmileIDRefusal.USER_NOT_ENROLLED: "Smile ID expected an enrolled user, and there is none.",
    SmileIDRefusal.USER_TO_REENROL: (
        "Smile ID has marked this user for re-enrolment. Look the user up in Smile ID's portal."
    ),
    SmileIDRefusal.JOB_TYPE: "Smile ID does not offer this kind of job to us.",
    SmileIDRefusal.JOB_KNOWN: "Smile ID already knows a job with this id.",
    SmileIDRefusal.NO_PHOTO_OF_USER: "Smile ID holds no photo of this user.",
    SmileIDRefusal.NO_PRODUCTION: "Smile ID has not enabled production for us. Ask Smile ID, or use the sandbox.",
    SmileIDRefusal.UNEXPLAINED: (
        "Smile ID refused our request without a reason that it documents. Check the base URL, then ask its support."
    ),
}

_ALERTS: Mapping[StrEnum, str] = {
    AdminAlert.REQUESTS_REFUSED: "Smile ID refuses our requests. {why}",
    AdminAlert.JOBS_NOT_TOLD: "Smile ID refuses to give the status of jobs. {why}",
    AdminAlert.RESULTS_NOT_GIVEN: "Smile ID refuses to give results. {why}",
    AdminAlert.ID_TYPE_NOT_ACTIVE: "Smile ID says that this ID type is not active for our account.",
    AdminAlert.SMILE_ID_AWAY: (
        "Smile ID has not been reachable for about an hour; checks are ending without a result."
    ),
    AdminAlert.SLACK_AWAY: "Slack does not give the photos; checks are ending without a result.",
    AdminAlert.UNSETTLED: "Checks are ending without a clear answer: Smile ID does not say whether it has them.",
    AdminAlert.FAULT: "A fault of the bot stops checks; its log says where.",
    AdminAlert.BACKUP: "No backup could be taken: {failed}.",
    AdminAlert.NOT_DELIVERED: "A message could not be delivered in Slack ({error}).",
    AdminAlert.ACCESS_LOST: (
        "A direct message was not sent, because the person who asked for the check no longer has access. "
        "kyc-bot receipts list names every such message."
    ),
    AdminAlert.REDIRECTED: "A result could not be posted where the check was asked for ({error}).",
    AdminAlert.REVIEWERS_DIRECTLY: (
        "I can't post in the reviewers' channel ({error}). Reviewers get direct messages instead."
    ),
    AdminAlert.NO_REVIEWER_TOLD: (
        "I can't post in the reviewers' channel ({error}), and know no reviewer by name for a direct message."
    ),
    AdminAlert.FAULT_IN_MESSAGE: "A fault of the bot stops a message; its log says where.",
    AdminAlert.FAULT_IN_FILE: "A fault of the bot stops a file of customers; its log says where.",
    AdminAlert.KEY_OF_FILE: (
        "The file of customers {batch} is sealed with a key that KYC_ENCRYPTION_KEYS does not hold. Put that key back "
        "on every instance (KYC_ENCRYPTION_KEYS=new,old) and restart. If the file was confirmed, it goes on within "
        "eight hours of that; without the key it is refused after 31 hours."
    ),
    AdminAlert.DAILY_NEARLY: (
        "{used} of the {most} checks for {date} are started. At {most} the others are refused until the next day. "
        "KYC_DAILY_CHECKS sets this limit."
    ),
    AdminAlert.DAILY_REACHED: (
        "All {most} checks for {date} are started: others are refused until the next day. Compare who started them "
        "(/kyc summary today), or raise KYC_DAILY_CHECKS and restart."
    ),
    AdminAlert.DAILY_OF_PERSON: (
        "Somebody has started all {most} checks that one person may start on {date}; others of theirs are refused "
        "until the next day. Compare who it is (/kyc summary today). KYC_DAILY_CHECKS sets this limit."
    ),
    AdminAlert.RECORD_ALTERED: (
        "Record altered: somebody else than the bot has changed what is stored of {checks}. It counts as not approved, "
        "and nobody can decide it."
    ),
    AdminAlert.LOOKED_UP_TOO_OFTEN: "Somebody has looked up more than {most} checks within the hour ({looked}).",
    AdminAlert.RECORDS_OLDER: (
        "Record altered: some check was put back to an older state or taken away, and nothing tells which."
    ),
    AdminAlert.TRAIL_ALTERED: (
        "Audit trail altered: somebody else than the bot has changed, removed or added lines. Run kyc-bot audit "
        "verify: it tells which."
    ),
    AdminAlert.RECORDS_SEALED: (
        "What is stored of {checks} is protected against changes from now on. This happens once, with the update that "
        "brings it or with a backup from before. If nobody has updated the bot or put back a backup, somebody else has "
        "changed the database."
    ),
    AdminAlert.HOST_REFUSED: "Nothing is sent to {host}, since {setting} does not name it.",
    AdminAlert.PURGED: (
        "Purge done. Photos erased: {photos} checks. Personal data erased: {personal} checks. Whole records removed: "
        "{record} checks. Kept beyond their time: {kept} checks. kyc-bot purge --dry-run says why."
    ),
    AdminAlert.PURGE_WAITS: (
        "Nothing is erased yet. Over their time are the photos of {photos} checks, the personal data of {personal} "
        "checks and the whole record of {record} checks. To have them erased each night, set KYC_RETENTION_PHOTOS, "
        "KYC_RETENTION_PERSONAL or KYC_RETENTION_RECORD and restart. See docs/privacy.md."
    ),
    AdminAlert.PIECES_LEFT: (
        "Sealed pieces of what was erased are still in the database's file, which could not be written anew while the "
        "bot works. Stop the bot, run kyc-bot purge, and start it again."
    ),
}

SENTENCES: Mapping[StrEnum, str] = {**_REFUSALS, **_PHOTOS, **_FILES, **_FIELDS, **_SMILE_ID, **_ALERTS}


def _an(name: str) -> str:
    return f"{'an' if name[:1] in 'AEIOU' else 'a'} {name}"


_LOOKED: Mapping[str, str] = {
    "find": "searches and lists",
    "check": "checks of others, one by one",
    "seen_before": "customers who were checked before",
}
"""By kind of look."""
_SHOWN: Mapping[str, Callable[[Any], str]] = {
    "admin": lambda user: person(user) if user else "an admin of kyc-bot",
    "channel": lambda name: f"#{quoted(name, 80)}" if name else "this conversation",
    "channels": lambda ids: ", ".join(f"<#{one}>" for one in ids),
    "choices": " or ".join,
    "day": lambda day: f"on {day}" if day else "today",
    "columns": lambda names: f"column {names[0]}" if len(names) == 1 else f"columns {' and '.join(names)}",
    "digits": lambda span: str(span[0]) if span[0] == span[1] else f"{span[0]} to {span[1]}",
    "example": lambda text: f", for example {text}" if text else "",
    "id_type": lambda short: _an(short)[:1].upper() + _an(short)[1:],
    "inner_zips": lambda there_are: " A zip inside the zip is not opened." if there_are else "",
    "kind": lambda kind: FILE_KINDS[FileKind(kind)],
    "left": lambda count: {0: "none is left", 1: "1 is left"}.get(count, f"{count} are left"),
    "looks_like": lambda text: f"For example {text}." if text else "Compare it with the card.",
    "more": lambda count: f" and {count} more" if count else "",
    "names": ", ".join,
    "of_type": _an,
    "person": person,
    "ref": foreign,
    "rest": lambda count: "1 check" if count == 1 else f"{count} checks",
    "service": lambda service: SERVICES.get(service, "outside Slack"),
    "several": lambda count: "Two" if count == 2 else str(count),
    "status": lambda check: status_name(check) if isinstance(check, Check) else str(check),
    "typed": lambda text: re.sub(r"[^\w .:/-]", "", text)[:60],
    "wait": lambda minutes: "1 minute" if minutes == 1 else f"{minutes} minutes",
    "looked": lambda kind: _LOOKED.get(kind, kind),
    "why": lambda value: _SMILE_ID[SmileIDRefusal(value)],
    "unread": lambda name: f" I can't read {name}." if name else "",
    "table_kind": lambda kind: TABLE_KINDS[FileKind(kind)],
}
_SHOWN_PLAINLY: Mapping[str, Callable[[Any], str]] = {
    **_SHOWN,
    "admin": lambda _user: "an admin of kyc-bot",
    "channels": lambda _ids: "a channel that is meant for them",
    "person": lambda _user: "somebody else",
    "ref": quoted,
}
"""Where Slack renders neither mentions nor formatting marks."""


def refusal_message(coded: Coded) -> Message:
    text = sentence(coded)
    return Message(text=text, blocks=[kit.section(text)])


def sentence(coded: Coded) -> str:
    """For a message of Slack's, in mrkdwn."""
    return _filled(coded.code, coded.facts, _SHOWN)


def plain_sentence(coded: Coded) -> str:
    """For a field of a form, a file or a terminal."""
    return _filled(coded.code, coded.facts, _SHOWN_PLAINLY).replace("`", "")


def stored_sentence(text: str | None, *, with_names: bool = True) -> str:
    """A fault stored by `encode_fault`, in plain words; a sentence that was stored as such stays as it is.

    With `with_names=False` no file, sheet or column is called by the name that somebody gave it: for a place where
    others read along.
    """
    found = decode_fault(text or "")
    if found is None:
        return text or ""
    value, facts = found
    code = _CODES[value]
    if with_names or facts.keys().isdisjoint(_NAMES):
        return _filled(code, facts, _SHOWN_PLAINLY)
    if code in _WITHOUT_NAMES:
        return _WITHOUT_NAMES[code].format(**_texts(facts, _SHOWN_PLAINLY))
    sentence = _filled(
        code, {name: _A_FILE if name in _NAMES and fact else fact for name, fact in facts.items()}, _SHOWN_PLAINLY
    )
    return f"{sentence[:1].upper()}{sentence[1:]}"


_CODES = {code.value: code for code in SENTENCES}
_NAMES = frozenset({"name", "names", "first", "second", "unread"})
"""Facts in the words of whoever named a file, a sheet or a column."""
_A_FILE = "a file that you sent"
_WITHOUT_NAMES: Mapping[StrEnum, str] = {
    FileCode.SEVERAL_TABLES: "I found {count} tables. Send one table at a time, with its photos.",
    FileCode.NO_COLUMNS_SHOWN: (
        "I found no columns that I know in the first 20 rows of what the workbook shows. "
        "I don't read hidden sheets. Unhide the one with the table and send it again."
    ),
    FileCode.COLUMN_TWICE: "Two columns both mean {field}. Delete one of them.",
    FileCode.COLUMNS_HIDDEN: (
        "The table shows no {columns}. I don't read hidden columns. Unhide what belongs to the table and send it again."
    ),
    FileCode.SEVERAL_SHEETS: "Two sheets both look like a table of customers. Keep one of them.",
}
"""Where a name cannot just be replaced."""


def _filled(code: StrEnum, facts: Mapping[str, object], shown: Mapping[str, Callable[[Any], str]]) -> str:
    return _which(facts) + SENTENCES[code].format(**_texts(facts, shown))


def _texts(facts: Mapping[str, object], shown: Mapping[str, Callable[[Any], str]]) -> dict[str, object]:
    return {name: shown[name](fact) if name in shown else fact for name, fact in facts.items()}


def _which(facts: Mapping[str, object]) -> str:
    """Which of several photos it is about, if known."""
    if "liveness_image" in facts:
        return f"Liveness image {facts['liveness_image']}: "
    if "image" in facts:
        return f"Image {facts['image']}: "
    return "Selfie: " if "selfie" in facts else ""
