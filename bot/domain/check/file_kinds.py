"""What a file is, by its name and what Slack says of it; and what each door of the bot makes of it.

One list for the form, the messages, the tables and the zips: what one of them reads, all of them know by name. The
sentence of each kind is in `bot.slack.blocks.file_words`.
"""

from collections.abc import Mapping
from enum import StrEnum


class FileKind(StrEnum):
    JPEG = "jpeg"
    PNG = "png"

    CSV = "csv"
    TSV = "tsv"
    XLSX = "xlsx"
    """With macros (.xlsm) or without, a template (.xltx) or not; the macros are never run."""
    JSON = "json"

    ZIP = "zip"

    HEIC = "heic"
    WEBP = "webp"
    GIF = "gif"
    AVIF = "avif"
    TIFF = "tiff"
    BMP = "bmp"
    PICTURE = "picture"
    """Another kind of picture."""
    VIDEO = "video"
    PDF = "pdf"

    XLS = "xls"
    """Excel's form before 2007."""
    XLSB = "xlsb"
    ODS = "ods"
    NUMBERS = "numbers"
    GOOGLE_SHEET = "google_sheet"
    TEXT = "text"
    """Plain text: a list may be saved so, but nothing says where its columns end."""

    ARCHIVE = "archive"
    """An archive other than a zip."""
    DOCUMENT = "document"
    """A text document or a presentation."""
    WEB_PAGE = "web_page"
    """Many programs export one under the name of a spreadsheet."""
    XML = "xml"
    """Excel's form of 2003 is one."""
    AUDIO = "audio"
    CANVAS = "canvas"
    """Slack's own: a canvas, a post or a list, which has no file behind it."""
    OTHER = "other"


PHOTOS = frozenset({FileKind.JPEG, FileKind.PNG})
TABLES = frozenset({FileKind.CSV, FileKind.TSV, FileKind.XLSX, FileKind.JSON})
UNREAD_TABLES = frozenset(
    {FileKind.XLS, FileKind.XLSB, FileKind.ODS, FileKind.NUMBERS, FileKind.GOOGLE_SHEET, FileKind.TEXT}
)
"""A list of customers may be saved like that; it must be saved as something else to be read."""
APPLICANTS = TABLES | {FileKind.ZIP}
"""What brings customers: a table of ID information, or a zip with one and its photos."""
LIKE_PHOTOS = PHOTOS | {
    FileKind.HEIC, FileKind.WEBP, FileKind.GIF, FileKind.AVIF, FileKind.TIFF, FileKind.BMP, FileKind.PICTURE,
    FileKind.VIDEO, FileKind.PDF,
}  # fmt: skip
"""What a person may take for a photo."""

_ENDINGS: Mapping[FileKind, str] = {
    FileKind.JPEG: "jpg jpeg jpe jfif",
    FileKind.PNG: "png",
    FileKind.CSV: "csv",
    FileKind.TSV: "tsv",
    FileKind.XLSX: "xlsx xlsm xltx xltm",
    FileKind.JSON: "json",
    FileKind.ZIP: "zip",
    FileKind.HEIC: "heic heif hif",
    FileKind.WEBP: "webp",
    FileKind.GIF: "gif",
    FileKind.AVIF: "avif",
    FileKind.TIFF: "tif tiff",
    FileKind.BMP: "bmp dib",
    FileKind.PICTURE: "svg jp2 jxl psd ico dng cr2 nef arw raw",
    FileKind.VIDEO: "mp4 mov m4v avi mkv webm 3gp mpg mpeg",
    FileKind.PDF: "pdf",
    FileKind.XLS: "xls xlt",
    FileKind.XLSB: "xlsb",
    FileKind.ODS: "ods ots fods",
    FileKind.NUMBERS: "numbers",
    FileKind.GOOGLE_SHEET: "gsheet",
    FileKind.TEXT: "txt text",
    FileKind.ARCHIVE: "rar 7z gz tgz tar bz2 xz zst",
    FileKind.DOCUMENT: "doc docx docm odt rtf pages ppt pptx odp key md gdoc gslides eml msg",
    FileKind.WEB_PAGE: "html htm",
    FileKind.XML: "xml",
    FileKind.AUDIO: "mp3 m4a wav ogg aac amr opus",
}
"""What stands behind the last dot of a name."""
PHOTO_ENDINGS = ("jpg", "jpeg", "png")
"""What the form's own file fields offer; Slack checks them by its word for the type, which is `jpg` for any JPEG."""
_BY_ENDING = {ending: kind for kind, endings in _ENDINGS.items() for ending in endings.split()}

_SLACKS_OWN = dict.fromkeys(("quip", "canvas", "space", "list"), FileKind.CANVAS)
"""What Slack calls its canvases, posts and lists, of which there is no file to download."""

_OFFICE, _OPEN, _GOOGLE = "vnd.openxmlformats-officedocument", "vnd.oasis.opendocument", "vnd.google-apps"
_TYPES: Mapping[FileKind, str] = {
    FileKind.JPEG: "image/jpeg image/jpg image/pjpeg",
    FileKind.PNG: "image/png image/x-png",
    FileKind.CSV: "text/csv",
    FileKind.TSV: "text/tab-separated-values",
    FileKind.XLSX: f"application/{_OFFICE}.spreadsheetml.sheet application/vnd.ms-excel.sheet.macroenabled.12",
    FileKind.JSON: "application/json",
    FileKind.ZIP: "application/zip application/x-zip-compressed",
    FileKind.HEIC: "image/heic image/heif image/heic-sequence image/heif-sequence",
    FileKind.WEBP: "image/webp",
    FileKind.GIF: "image/gif",
    FileKind.AVIF: "image/avif",
    FileKind.TIFF: "image/tiff",
    FileKind.BMP: "image/bmp image/x-ms-bmp",
    FileKind.PDF: "application/pdf",
    FileKind.XLS: "application/vnd.ms-excel",
    FileKind.XLSB: "application/vnd.ms-excel.sheet.binary.macroenabled.12",
    FileKind.ODS: f"application/{_OPEN}.spreadsheet",
    FileKind.NUMBERS: "application/vnd.apple.numbers application/x-iwork-numbers-sffnumbers",
    FileKind.GOOGLE_SHEET: f"application/{_GOOGLE}.spreadsheet",
    FileKind.TEXT: "text/plain",
    FileKind.ARCHIVE: "application/vnd.rar application/x-rar-compressed application/x-7z-compressed application/gzip "
    "application/x-tar",
    FileKind.DOCUMENT: f"application/msword application/{_OFFICE}.wordprocessingml.document application/{_OPEN}.text "
    f"application/rtf text/rtf application/{_GOOGLE}.document application/{_GOOGLE}.presentation",
    FileKind.WEB_PAGE: "text/html",
    FileKind.XML: "application/xml text/xml",
    FileKind.CANVAS: "application/vnd.slack-docs",
}
_BY_TYPE = {mimetype: kind for kind, mimetypes in _TYPES.items() for mimetype in mimetypes.split()}
_BY_FAMILY = {"image": FileKind.PICTURE, "video": FileKind.VIDEO, "audio": FileKind.AUDIO, "text": FileKind.TEXT}
_SAYS_NOTHING = frozenset({"", "application/octet-stream", "binary/octet-stream"})
"""Types of files of which nobody knows the type."""


def kind_of(name: str, mimetype: str = "", filetype: str = "") -> FileKind | None:
    """What a file is, by its name and by what Slack says of it; None where nothing says anything.

    `filetype` is Slack's own word, mostly an ending. A name wins, but for one: what is called a photo and is something
    else by its type (a PDF as `selfie.jpg`) is that.
    """
    slacks = filetype.casefold()
    named = kind_by_name(name) or _SLACKS_OWN.get(slacks) or _BY_ENDING.get(slacks)
    mimetype = mimetype.partition(";")[0].strip().casefold()
    typed = None if mimetype in _SAYS_NOTHING else _BY_TYPE.get(mimetype) or _BY_FAMILY.get(mimetype.partition("/")[0])
    if named is None:
        return typed or (FileKind.OTHER if mimetype else None)
    is_misnamed = named in PHOTOS and typed is not None and typed not in PHOTOS
    return typed if is_misnamed else named


def kind_by_name(name: str) -> FileKind | None:
    """By the ending alone; None for none, or for one that nobody knows."""
    _, dot, ending = name.strip().casefold().rpartition(".")
    return _BY_ENDING.get(ending) if dot else None


def kind_by_content(data: bytes) -> FileKind | None:
    """What the first bytes say, whatever the name does; None for bytes that are no kind on this list.

    The brands behind `ftyp` are those of HEIF (ISO/IEC 23008-12) and AVIF; MP4, MOV and 3GP have others.
    """
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], FileKind.VIDEO)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return FileKind.WEBP
    return next((kind for signature, kind in _SIGNATURES if data.startswith(signature)), None)


_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), FileKind.HEIC),
    **dict.fromkeys((b"avif", b"avis"), FileKind.AVIF),
}
_SIGNATURES = (
    (b"\xff\xd8\xff", FileKind.JPEG),
    (b"\x89PNG\r\n\x1a\n", FileKind.PNG),
    (b"GIF8", FileKind.GIF),
    (b"%PDF-", FileKind.PDF),
    (b"II*\0", FileKind.TIFF),
    (b"MM\0*", FileKind.TIFF),
    (b"BM", FileKind.BMP),
    (b"PK\x03\x04", FileKind.ZIP),
    (b"\x1a\x45\xdf\xa3", FileKind.VIDEO),
)
