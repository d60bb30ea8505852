"""What people asked of the reviewers, and why (table `review_requests`). What they write is sealed."""

from bot.domain.review.requests import ReviewRequest
from storage.engine.database import Transaction, load, params
from storage.engine.sql import Row


def add(tx: Transaction, request: ReviewRequest) -> bool:
    """Keep it. False for a repeat of the same form."""
    columns = params(request)
    sealed = tx.sealer.seal(columns.pop("words"), place=_place(request.id))
    return tx.insert_once("review_requests", **columns, words_sealed=sealed)


def find(tx: Transaction, request_id: str) -> ReviewRequest | None:
    row = tx.row("SELECT * FROM review_requests WHERE id = :id", id=request_id)
    return _request(tx, row) if row is not None else None


def of_check(tx: Transaction, ref: str, round_: int | None = None) -> list[ReviewRequest]:
    """Those of all rounds of a check, or of one, oldest first."""
    rows = tx.rows("SELECT * FROM review_requests WHERE ref = :ref ORDER BY at, id", ref=ref)
    if tx.altered([ref]):
        return []
    return [_request(tx, row) for row in rows if round_ in (None, row["round"])]


def _request(tx: Transaction, row: Row) -> ReviewRequest:
    return load(ReviewRequest, row, words=tx.sealer.open(row["words_sealed"], place=_place(row["id"])))


def _place(request_id: str) -> str:
    return f"review_requests.words:{request_id}"
