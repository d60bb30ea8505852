"""Files of ID information (CSV, XLSX, JSON) with photos, read into rows that can become checks.

`read` says what is there and what is wrong with it; `Bundle` opens the photos later, row by row. `sources` finds the
table and the zips (`archive`), the `*_table` modules make rows of cells of it, `columns` and `values` give cells their
meaning, `matching` decides which photo is whose, `reading` puts it all together.
"""

from bot.domain.applicants.bundle import Bundle
from bot.domain.applicants.columns import template_csv
from bot.domain.applicants.model import Applicant, Limits, PhotoSource, ReadApplicants, RowFault, SourceFile
from bot.domain.applicants.reading import read

__all__ = [
    "Applicant", "Bundle", "Limits", "PhotoSource", "ReadApplicants", "RowFault", "SourceFile", "read", "template_csv",
]  # fmt: skip
