"""What a file is called, and what to do with it: the ends of sentences in `bot.slack.blocks.refusals`."""

from bot.domain.check.file_kinds import FileKind

_PHOTO = "Attach a JPEG or PNG photo."
_LIST = f"{_PHOTO} A list of customers goes to me in a message."
_IN_EXCEL = "If it is a list of customers, choose Save As in Excel and the type Excel Workbook (.xlsx), and send that."
FILE_KINDS = {
    FileKind.JPEG: f"a JPEG photo. {_PHOTO}",
    FileKind.PNG: f"a PNG photo. {_PHOTO}",
    FileKind.CSV: f"a CSV file. {_LIST}",
    FileKind.TSV: f"a table in text form (.tsv). {_LIST}",
    FileKind.XLSX: f"an Excel workbook. {_LIST}",
    FileKind.JSON: f"a JSON file. {_LIST}",
    FileKind.ZIP: f"a zip. {_PHOTO} A zip of customers goes to me in a message.",
    FileKind.HEIC: f"a HEIC picture. {_PHOTO} An iPhone takes JPEG with Settings, Camera, Formats, Most Compatible.",
    FileKind.WEBP: f"a WebP picture. {_PHOTO}",
    FileKind.GIF: f"a GIF. {_PHOTO}",
    FileKind.AVIF: f"an AVIF picture. {_PHOTO}",
    FileKind.TIFF: f"a TIFF picture. {_PHOTO}",
    FileKind.BMP: f"a BMP picture. {_PHOTO}",
    FileKind.PICTURE: f"another kind of picture. {_PHOTO}",
    FileKind.VIDEO: f"a video. {_PHOTO}",
    FileKind.PDF: f"a PDF. {_PHOTO}",
    FileKind.XLS: f"an old Excel workbook (.xls), which I don't read. {_IN_EXCEL}",
    FileKind.XLSB: f"a binary Excel workbook (.xlsb), which I don't read. {_IN_EXCEL}",
    FileKind.ODS: (
        "an OpenDocument spreadsheet (.ods), which I don't read. If it is a list of customers, choose Save As in "
        "LibreOffice and the type Excel 2007-365 (.xlsx), and send that."
    ),
    FileKind.NUMBERS: (
        "a Numbers spreadsheet, which I don't read. If it is a list of customers, choose File, Export To, Excel in "
        "Numbers, and send that."
    ),
    FileKind.GOOGLE_SHEET: (
        "a Google sheet, which I can't read. If it is a list of customers, choose File, Download, Microsoft Excel "
        "(.xlsx) in Google Sheets, and send that."
    ),
    FileKind.TEXT: (
        "a text file, which I don't read. If it is a list of customers, open it in Excel, choose Save As and the type "
        f"CSV UTF-8 (.csv), and send that. {_PHOTO}"
    ),
    FileKind.ARCHIVE: f"an archive that I don't read. Pack it as a .zip and send that. {_PHOTO}",
    FileKind.DOCUMENT: (
        f"a document, which I don't read. {_PHOTO} If it holds a list of customers, save the list as .xlsx or .csv."
    ),
    FileKind.WEB_PAGE: (
        f"a web page, which I don't read. {_PHOTO} If it holds a list of customers, save the list as .xlsx or .csv."
    ),
    FileKind.XML: (
        f"an XML file, which I don't read. {_PHOTO} If it holds a list of customers, save the list as .xlsx or .csv."
    ),
    FileKind.AUDIO: f"a sound recording. {_PHOTO}",
    FileKind.CANVAS: f"a canvas or list of Slack's, of which there is no file. {_PHOTO}",
    FileKind.OTHER: f"not a photo. {_PHOTO}",
}
"""What a file is, and what to do: the end of a sentence that begins with *this is*."""
SERVICES = {"gdrive": "in Google Drive", "dropbox": "in Dropbox", "onedrive": "in OneDrive", "box": "in Box"}
"""By Slack's word for them (`external_type`)."""

_AS_A_TABLE = "which I don't read. Open it in Excel and save it as Excel Workbook (.xlsx) or CSV UTF-8."
TABLE_KINDS = {
    **FILE_KINDS,
    FileKind.WEB_PAGE: f"a web page, {_AS_A_TABLE}",
    FileKind.XML: f"an XML file, {_AS_A_TABLE}",
    FileKind.DOCUMENT: f"a text document or presentation, {_AS_A_TABLE}",
    FileKind.PDF: f"a PDF, {_AS_A_TABLE}",
}
"""The same of what was sent as a table, where nobody thinks of a photo."""
